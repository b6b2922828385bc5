/**
 * Opens the lines of an export and writes tables of them, to the byte as `undersign open` does
 * (desk/signatures/open.py). It does so in workers.
 */

const isText = (value) => typeof value === "string" && value.isWellFormed();
const isBoolean = (value) => typeof value === "boolean";
const isLike = (pattern) => (value) => isText(value) && pattern.test(value);
const optional = (isValid) => (value) => value === null || isValid(value);

const isSlug = isLike(/^[a-z0-9-]{1,40}$/);
const isCountry = isLike(/^[A-Z]{2}$/);

/** Of the sealed records that this page reads; a record without a version is of this one. */
const VERSION = 1;
/** A newer Undersign sealed the record. */
class UnknownVersion extends Error {}

/** The columns of a table, in their order. Country and partner become names of files. */
const COLUMNS = {
  confirmed_at: isText,
  signed_at: optional(isText),
  name: isText,
  email: isText,
  country: isCountry,
  postal_code: optional(isText),
  locale: isText,
  partner: optional(isSlug),
  newsletter: optional(isBoolean),
  consent_version: optional(isText),
};

/** The columns of the table of consent texts. */
const CONSENT_COLUMNS = {
  version: isText,
  language: isText,
  shown_from: isText,
  shown_until: optional(isText),
  text: isText,
};

const signatureOf = ({ version = VERSION, ...given }) => {
  if (version !== VERSION) throw new UnknownVersion();
  const signature = {};
  for (const [column, isValid] of Object.entries(COLUMNS)) {
    signature[column] = given[column] ?? null;
    if (!isValid(signature[column])) throw new TypeError(column);
  }
  return signature;
};

/** One line of NDJSON, spaced as Python spaces it. */
const jsonLine = (signature) => {
  const fields = Object.entries(signature).map(([column, value]) => `"${column}": ${JSON.stringify(value)}`);
  return `{${fields.join(", ")}}\n`;
};

/**
 * Where a cell may begin, with the spaces and quotes that a program may strip, and what begins a formula. The last is
 * optional, so that a run of spaces is scanned once, however long it is.
 */
const BEGINNING =
  /((?:^|[;,\t\r\n])[;,\x00-\x20\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"']*)([=+\-@＝＋－＠]?)/g;

/** Write a value so that a spreadsheet shows it and does not run it. */
const cell = (value) => {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  const shown = value.replace(BEGINNING, (found, before, formula) => (formula ? `${before}'${formula}` : found));
  return /^[\t\r\n]/.test(value) ? `'${shown}` : shown;
};
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
/** One line of CSV (RFC 4180), with quotes around every cell: some programs split a line at more than commas. */
const csvLine = (values) => `${values.map(cell).map(quoted).join(",")}\r\n`;

/** The lines of a file, some at a time, so that only these are in memory. */
async function* linesOf(blob, atOnce) {
  const reader = blob.stream().pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let ended = false; !ended; ) {
      const { done, value = "" } = await readFrom(reader);
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      if (done && rest) lines.push(rest);
      for (let start = 0; start < lines.length; start += atOnce) yield lines.slice(start, start + atOnce);
      ended = done;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** More than names and addresses hold, and fewer than would exceed Python's recursion limit if nested. */
const MAX_BRACKETS = 400;

const parsed = (text) => {
  if ((text.match(/[[{]/g) ?? []).length > MAX_BRACKETS) throw new TypeError("too deep");
  return JSON.parse(text);
};

/** atob alone would accept spaces and truncated text. */
const isBase64 = (text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;

let decrypter;

/** Open a line: its id, the signature as NDJSON, and the country, partner and newsletter that decide on its files. */
const openLine = async (line) => {
  if (line.includes("\ufffd")) throw new TypeError("no text");
  const { id, sealed, confirmed_at } = parsed(line);
  if (!isText(id) || !isBase64(sealed)) throw new TypeError("not as it was exported");
  const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
  const opened = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await decrypter.decrypt(bytes));
  const signature = signatureOf({ ...parsed(opened), confirmed_at });
  const { country, partner, newsletter } = signature;
  return { id, country, partner, newsletter, text: jsonLine(signature) };
};

/** Keep the keys to open with; false if one is damaged. */
const take = async (identities) => {
  decrypter = new age.Decrypter();
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
    return true;
  } catch {
    return false;
  }
};

/** The SHA-256 of a file, in hexadecimal. */
const digest = async (file) => {
  const sha256 = age.sha256.create();
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await readFrom(reader);
    if (done) break;
    sha256.update(value);
  }
  return Array.from(sha256.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** Open lines, as `openLine` does; null for each line that did not open. */
const open = async (lines) => {
  const leftOut = (error) => (error instanceof UnknownVersion ? { isNewer: true } : null);
  return Promise.all(lines.map((line) => openLine(line).catch(leftOut)));
};
