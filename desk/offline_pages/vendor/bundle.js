/** Makes age.js: the library with which open.html decrypts, in one file, with the licences of all that is in it. */

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const LEFT_OUT = ["@noble/post-quantum/hybrid.js", "@noble/curves/nist.js"];

const packageOf = (file) => file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];

const licence = async (name) => {
  const { version } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
  return `${name} ${version}\n\n${(await readFile(`node_modules/${name}/LICENSE`, "utf8")).trim()}\n`;
};

const { metafile, outputFiles } = await build({
  entryPoints: ["used.js"], bundle: true, minify: true, format: "iife", globalName: "age", target: "es2022",
  alias: Object.fromEntries(LEFT_OUT.map((name) => [name, "./left-out.js"])),
  legalComments: "inline", metafile: true, write: false, outfile: "age.js",
});
const [{ inputs }] = Object.values(metafile.outputs);
const packages = [...new Set(Object.keys(inputs).map(packageOf).filter(Boolean))].sort();
const licences = (await Promise.all(packages.map(licence))).join("\n");
await writeFile("age.js", `/*!\nMade by \`make vendor\`, of:\n\n${licences}*/\n${outputFiles[0].text}`);
