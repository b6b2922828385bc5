/** Reads the key file that was chosen. `age` is the library in age.js. */

const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----";
const BINARY = "age-encryption.org/v1";
const KEY_FILE_BYTES = 1_000_000;

/** A file, chosen in this field, without what editors and mail programs put in front. */
const contentOf = async (file, field) => {
  const reading = file.slice(0, KEY_FILE_BYTES).arrayBuffer();
  const bytes = new Uint8Array(await reading.catch(() => { throw unreadable(field); }));
  const start = bytes.findIndex((byte) => ![0xef, 0xbb, 0xbf, 0x20, 0x09, 0x0d, 0x0a].includes(byte));
  return { name: file.name, bytes: bytes.subarray(Math.max(0, start)) };
};

const withoutArmor = (bytes) => {
  const text = new TextDecoder().decode(bytes);
  return text.startsWith(ARMOR) ? age.armor.decode(text) : bytes;
};

/** Decrypt a key file under a passphrase, in a worker; or name the problem. */
const unlock = async ({ locked, passphrase }) => {
  try {
    const sealed = withoutArmor(locked);
    if (!new TextDecoder().decode(sealed).startsWith(`${BINARY}\n-> scrypt `)) return { problem: "damaged" };
    const withPassphrase = new age.Decrypter();
    withPassphrase.addPassphrase(passphrase);
    return { unlocked: await withPassphrase.decrypt(sealed, "text") };
  } catch (error) {
    if (error.message.includes("no identity matched")) return { problem: "wrong" };
    return { problem: error instanceof RangeError || error.message.includes("work factor") ? "costly" : "damaged" };
  }
};

const UNLOCKING_ERRORS = {
  wrong: (name) => [
    `${name} does not open with this passphrase. Mind capitals, hyphens and spaces; “Show the passphrase” lets you ` +
      "see what you typed.", "passphrase"],
  costly: (name) => [
    `${name} needs more memory to open than this browser gives. Use the command undersign, or another computer.`,
    "key"],
  damaged: (name) => [
    `${name} is damaged, or is no key file. Choose the file that keys.html or undersign keygen made, or your second ` +
      "copy of it.", "key"],
};

const chosenKey = async () => {
  const [file] = byId("key").files;
  if (!file) throw new UserError("Choose your key file: the one that keys.html or undersign keygen made.", "key");
  return contentOf(file, "key");
};

/** The keys in the key file, which a passphrase may lock. */
const identitiesOf = async ({ name, bytes }, passphrase, pool) => {
  let text = new TextDecoder().decode(bytes);
  if (text.startsWith(ARMOR) || text.startsWith(BINARY)) {
    if (!passphrase) throw new UserError(`${name} is under a passphrase: type it.`, "passphrase");
    const { unlocked, problem } = await pool.ask("unlock", { locked: bytes, passphrase });
    if (problem) throw new UserError(...UNLOCKING_ERRORS[problem](name));
    text = unlocked;
  }
  const identities = text.match(/^AGE-SECRET-KEY-1[0-9A-Z]+/gim);
  if (!identities) {
    throw new UserError(
      `There is no key in ${name}. Choose the file that keys.html or undersign keygen made, such as ann.age. The ` +
        "public key, which begins with age1, opens nothing.", "key");
  }
  return identities.map((identity) => identity.toUpperCase());
};

const damagedKey = (name) =>
  new UserError(
    `The key in ${name} is damaged: a character of it was changed or is missing. Use your second copy.`, "key");
