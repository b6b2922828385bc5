/** Makes age.js and words.js: what the offline pages need of libraries, with the licences of all that is in them. */

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

/** All that the pages need, by the name of the file and of the variable that has it; esbuild leaves out the rest. */
const BUNDLES = {
  age: `export { Decrypter, Encrypter, armor, generateX25519Identity, identityToRecipient } from "age-encryption";
    export { sha256 } from "@noble/hashes/sha2.js";`,
  words: 'export { wordlist } from "@scure/bip39/wordlists/english.js";',
};
const LEFT_OUT = ["@noble/post-quantum/hybrid.js", "@noble/curves/nist.js"];

const packageOf = (file) => file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];

const licence = async (name) => {
  const { version } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
  return `${name} ${version}\n\n${(await readFile(`node_modules/${name}/LICENSE`, "utf8")).trim()}\n`;
};

for (const [name, contents] of Object.entries(BUNDLES)) {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: "." }, bundle: true, minify: true, format: "iife", globalName: name,
    target: "es2022", alias: Object.fromEntries(LEFT_OUT.map((each) => [each, "./left-out.js"])),
    legalComments: "inline", metafile: true, write: false, outfile: `${name}.js`,
  });
  const [{ inputs }] = Object.values(metafile.outputs);
  const packages = [...new Set(Object.keys(inputs).map(packageOf).filter(Boolean))].sort();
  const licences = (await Promise.all(packages.map(licence))).join("\n");
  await writeFile(`${name}.js`, `/*!\nMade by \`make vendor\`, of:\n\n${licences}*/\n${outputFiles[0].text}`);
}
