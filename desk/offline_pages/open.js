/** open.html around opening.js: the choices, the progress, the result and the files to download. */

const LINES_AT_ONCE = 100;
/** If none of the first lines opens, no other will. */
const GIVE_UP_AFTER_LINES = 100;
const SHOWN_LINES = 10;
const MOST_WORKERS = 8;
/** Text is handed to the browser in parts of about this many characters, which it may keep on the disk. */
const PART = 1_000_000;
const UNFINISHED = "unfinished.json";

const number = (value) => value.toLocaleString("en");
const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
const signatures = (count) => counted(count, "signature");
const regions = new Intl.DisplayNames(["en"], { type: "region" });

/** Growing text, in parts that need not stay in memory. */
class Parts {
  constructor(...begin) {
    this.blobs = begin;
    this.texts = [];
    this.length = 0;
  }

  add(text) {
    this.texts.push(text);
    this.length += text.length;
    if (this.length > PART) this.pack();
  }

  pack() {
    this.blobs.push(new Blob(this.texts));
    this.texts = [];
    this.length = 0;
  }

  whole(type) {
    this.pack();
    return new Blob(this.blobs, { type });
  }
}

/** How often each key was counted. */
class Counter extends Map {
  count(key) {
    this.set(key, (this.get(key) ?? 0) + 1);
  }
}

/** What has been opened of a file so far. */
class Opened {
  constructor(name) {
    this.name = name;
    this.parts = new Parts();
    this.signatures = 0;
    this.ids = new Set();
    /** The numbers of the lines that did not open, that a newer Undersign sealed, and whose id an earlier line had. */
    this.damaged = [];
    this.newer = [];
    this.repeated = [];
    this.countries = new Counter();
    this.partners = new Counter();
    /** Of each partner, those who said yes to its news. */
    this.contacts = new Counter();
  }

  get lines() {
    return this.signatures + this.damaged.length + this.newer.length + this.repeated.length;
  }

  add(lines) {
    for (const signature of lines) {
      if (!signature) this.damaged.push(this.lines + 1);
      else if (signature.isNewer) this.newer.push(this.lines + 1);
      else if (this.ids.has(signature.id)) this.repeated.push(this.lines + 1);
      else this.addSignature(signature);
    }
    if (!this.signatures && this.damaged.length >= GIVE_UP_AFTER_LINES) throw this.foreign();
  }

  addSignature({ id, text, country, partner, newsletter }) {
    this.ids.add(id);
    this.parts.add(text);
    this.signatures += 1;
    this.countries.count(country);
    if (partner) this.partners.count(partner);
    if (partner && newsletter) this.contacts.count(partner);
  }

  foreign() {
    return new UserError(
      `This key opens nothing in ${this.name}: it is not a key that the signatures were sealed to. ` +
        "Choose the key of this campaign, or, for the file of a partner, the key of that partner.", "key");
  }
}

// What was chosen

const chosenExports = () => [...byId("files").files].filter((file) => file.name.endsWith(".ndjson"));

const chosenExport = () => {
  const [first, ...more] = chosenExports();
  if ([...byId("files").files].some((file) => file.name === UNFINISHED)) {
    throw new UserError(
      "The export is not finished, for there is an unfinished.json in it. On the machine where it was made, say " +
        "undersign export again: it will go on. Then copy the folder once more.", "files");
  }
  if (!first) {
    throw new UserError(
      byId("files").files.length
        ? "None of these files holds signatures. Choose the files in the folder of the export, not the folder: " +
          "signatures.ndjson and manifest.json."
        : "Choose the files of the export: signatures.ndjson and manifest.json.", "files");
  }
  return more.length ? chosenExports()[document.querySelector("[name=export]:checked").value] : first;
};

/** Ask which one, if there are several. */
const offerExports = () => {
  const exports = chosenExports();
  byId("which").hidden = exports.length < 2;
  const preferred = Math.max(0, exports.findIndex((file) => file.name === "signatures.ndjson"));
  byId("exports").replaceChildren(...exports.map((file, index) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name: "export", value: index, checked: index === preferred }), file.name)));
};

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isDigest = isLike(/^[0-9a-f]{64}$/);
const every = (object, isValid) => Object.entries(object).every(([key, value]) => isValid(key, value));

/** Whether it says what undersign export says. Anybody may have changed it. */
const isManifest = ({ campaign, file, sha256, signatures, by_country, by_partner, partners, consents = [] }) =>
  isSlug(campaign) && file === "signatures.ndjson" && isDigest(sha256) && isCount(signatures) &&
  every(by_country, (country, count) => isCountry(country) && isCount(count)) &&
  every(by_partner, (partner, count) => isSlug(partner) && isCount(count)) &&
  every(partners, (partner, { file, sha256, contacts }) =>
    isSlug(partner) && file === `partner-${partner}.ndjson` && isDigest(sha256) && isCount(contacts)) &&
  consents.every((consent) => every(CONSENT_COLUMNS, (column, isValid) => isValid(consent[column])));

/** The consent texts of all versions, as the command writes them. */
const consentTable = (consents, { kind, excel }) => {
  const columns = Object.keys(CONSENT_COLUMNS);
  const rows = consents.map((consent) => Object.fromEntries(columns.map((column) => [column, consent[column]])));
  const lines = kind === "csv" ? [columns, ...rows.map(Object.values)].map(csvLine) : rows.map(jsonLine);
  return new Blob(kind === "csv" && excel ? ["\ufeff", ...lines] : lines);
};

const chosenManifest = async () => {
  const files = [...byId("files").files].filter(({ name }) => name.endsWith(".json"));
  const file = files.find(({ name }) => name === "manifest.json") ?? files[0];
  if (!file) return null;
  try {
    const manifest = JSON.parse(await file.text());
    if (!isManifest(manifest)) throw new TypeError("no manifest");
    const entries = [[manifest.file, manifest], ...Object.values(manifest.partners).map((each) => [each.file, each])];
    return { manifest, entries: new Map(entries) };
  } catch {
    throw new UserError(
      `${file.name} is not the manifest of an export. Choose the manifest.json that lies beside the signatures, ` +
        "or choose the signatures alone.", "files");
  }
};

// The work

const check = async (file, entry, pool) => {
  if (!entry) return;
  say(`Comparing ${file.name} with manifest.json.`);
  byId("speed").textContent = `Comparing ${file.name} with manifest.json …`;
  if ((await pool.ask("digest", file)) !== entry.sha256) {
    throw new UserError(
      `${file.name} is not what was exported: its SHA-256 is not the one in manifest.json. Copy it once more from ` +
        "where it was exported. To open it as it is, choose it without manifest.json.", "files");
  }
};

const duration = (seconds) =>
  seconds < 90 ? counted(Math.ceil(seconds), "second") : counted(Math.ceil(seconds / 60), "minute");

/** Shows the progress; announces each tenth to screen readers. */
class Progress {
  constructor() {
    this.began = performance.now();
    this.shown = 0;
    this.announced = 0;
  }

  at(lines, share) {
    const now = performance.now();
    if (now - this.shown < 200) return;
    this.shown = now;
    const seconds = (now - this.began) / 1000;
    const left = share ? `, about ${duration(seconds / share - seconds)} left` : "";
    byId("bar").value = share;
    byId("speed").textContent = `${signatures(lines)}, ${number(Math.round(lines / seconds))} per second${left}`;
    if (share - this.announced < 0.1) return;
    this.announced = share;
    say(`${Math.floor(100 * share)} percent are open.`);
  }
}

/** Open a file line by line, in its order, with as much under way as the workers can do. */
const openLines = async (file, pool) => {
  const opened = new Opened(file.name);
  const progress = new Progress();
  const asked = [];
  let read = 0;
  const take = async () => {
    opened.add(await asked.shift());
    progress.at(opened.lines, Math.min(1, read / file.size));
  };
  for await (const lines of linesOf(file, LINES_AT_ONCE)) {
    asked.push(pool.ask("open", lines));
    for (const line of lines) read += line.length + 1;
    if (asked.length > 2 * pool.size) await take();
  }
  while (asked.length) await take();
  if (opened.damaged.length && !opened.newer.length && !opened.signatures) throw opened.foreign();
  return opened;
};

/** Everything that was chosen; throws for the first thing that is missing or wrong. */
const allChosen = async () =>
  ({ file: chosenExport(), manifest: await chosenManifest(), key: await chosenKey() });

const openChosen = async (pool) => {
  const { file, manifest, key } = await allChosen();
  begin(`Opening ${file.name}`, "Unlocking your key …");
  const identities = await identitiesOf(key, byId("passphrase").value, pool);
  const whole = await pool.askAll("take", identities);
  if (!whole.every(Boolean)) throw damagedKey(key.name);
  await check(file, manifest?.entries.get(file.name), pool);
  showOpened(await openLines(file, pool), file, manifest);
  byId("passphrase").value = "";
};

// What came of it

/** What the manifest of the export expects of the opened file; null where it cannot be compared. */
const expectationOf = (opened, manifest) => {
  const entry = manifest?.entries.get(opened.name);
  if (!entry) return null;
  if (entry !== manifest.manifest) return { signatures: entry.contacts };
  const { signatures, by_country, by_partner } = entry;
  return { signatures, countries: by_country, partners: by_partner };
};

const isSame = (counter, expected) =>
  !expected ||
  (counter.size === Object.keys(expected).length && [...counter].every(([key, count]) => expected[key] === count));

const isAsExpected = (opened, expected) =>
  opened.signatures === expected.signatures &&
  isSame(opened.countries, expected.countries) &&
  isSame(opened.partners, expected.partners);

const verdict = (opened, expected, manifest) => {
  if (!expected) {
    const why = manifest ? `does not name ${opened.name}` : "was not chosen";
    return h("p", {},
      `It was not compared with the export, for manifest.json ${why}. Whether anything is missing, this page ` +
        "cannot tell.");
  }
  if (!isAsExpected(opened, expected)) {
    return h("p", { class: "verdict differs" },
      "It is NOT what the manifest of the export says: compare the numbers below, and ask the person who made the export.");
  }
  return h("p", { class: "verdict same" },
    expected.countries
      ? "It is what the manifest of the export says, country by country."
      : "It is as many as the manifest of the export says.");
};

/** What is said of lines that are in no table, if there are such. */
const leftOut = (name, title, lines, advice) => {
  if (!lines.length) return null;
  const more = lines.length > SHOWN_LINES ? ` and ${number(lines.length - SHOWN_LINES)} more` : "";
  const noun = lines.length === 1 ? "line" : "lines";
  return h("div", { class: "faults" },
    h("p", { class: "title" }, `${title}: ${counted(lines.length, "line")}`),
    h("p", {}, `${name}, ${noun} ${lines.slice(0, SHOWN_LINES).join(", ")}${more}. ${advice}`));
};

const damage = ({ name, damaged, newer, repeated }) => [
  leftOut(name, "Not opened", damaged,
    "All else is there. Copy the file once more from where it was exported, and open it again."),
  leftOut(name, "Not opened", newer,
    "A newer Undersign sealed them: export again with an Undersign of today, and use the page in that export."),
  leftOut(name, "Repeated, and counted once", repeated,
    "An earlier line has the same id, which no export does twice: ask the person who made the export."),
];

/** Which signatures, in what form: from the choices on the page. */
const wanted = (only) => ({
  ...only,
  kind: document.querySelector("[name=kind]:checked").value,
  excel: byId("excel").checked,
});

const belongs = ({ country, partner }, signature) =>
  (!country || signature.country === country) &&
  (!partner || (signature.partner === partner && signature.newsletter === true));

/** A table of some of the signatures, made when it is asked for: `all` is NDJSON. */
const tableOf = async (all, { kind, excel, ...only }) => {
  const parts = new Parts(...(kind === "csv" && excel ? ["\ufeff"] : []));
  if (kind === "csv") parts.add(csvLine(Object.keys(COLUMNS)));
  for await (const lines of linesOf(all, LINES_AT_ONCE)) {
    for (const line of lines) {
      const signature = JSON.parse(line);
      if (belongs(only, signature)) parts.add(kind === "csv" ? csvLine(Object.values(signature)) : `${line}\n`);
    }
  }
  return parts.whole(kind === "csv" ? "text/csv" : "application/x-ndjson");
};

const downloadButton = (all, stem, only, label, spoken) =>
  h("button", {
    type: "button", class: stem === "signatures" ? null : "quiet", "aria-label": spoken,
    async onclick() {
      const choice = wanted(only);
      say(`Making ${stem}.${choice.kind}.`);
      save(await tableOf(all, choice), `${stem}.${choice.kind}`);
    },
  }, label);

const handOverButton = (opened, { campaign }, file, all) =>
  h("button", {
    type: "button", class: "quiet",
    async onclick() {
      const choice = wanted({});
      say("Making hand-over.json.");
      save(await handOverOf(opened, campaign, file, await tableOf(all, choice), `signatures.${choice.kind}`), "hand-over.json");
    },
  }, "Save hand-over.json");

/** What a hand-over is recorded from, in the shape of the manifest of undersign open: counts and sums, no names. */
const handOverOf = async (opened, campaign, file, table, name) => {
  const { damaged, newer, repeated } = opened;
  const record = {
    campaign, source: opened.name, source_sha256: await digest(file), opened_at: new Date().toISOString(),
    signatures: opened.signatures, by_country: Object.fromEntries(opened.countries),
    by_partner: Object.fromEntries(opened.partners), damaged, newer, repeated,
    files: { [name]: { signatures: opened.signatures, sha256: await digest(table) } },
  };
  return new Blob([JSON.stringify(record, null, 2)], { type: "application/json" });
};

const choices = () =>
  h("fieldset", { class: "field" },
    h("legend", {}, "In which form?"),
    h("label", { class: "choice" },
      h("input", { type: "radio", name: "kind", value: "csv", checked: true }), "Table (CSV), for spreadsheets"),
    h("label", { class: "choice" },
      h("input", { type: "radio", name: "kind", value: "ndjson" }), "Lines (NDJSON), for programs"),
    h("label", { class: "choice" },
      h("input", { type: "checkbox", id: "excel" }), "Begin tables with the mark that Excel needs"),
    h("p", { class: "hint" },
      "Opened by a double click, Excel guesses what a cell is: 00123 loses its zeros, and 1-2 becomes a day. So open " +
        "an empty workbook, and choose Data, From Text/CSV, the file; then File Origin 65001: Unicode (UTF-8), " +
        "Delimiter Comma, and Data Type Detection “Do not detect data types”: all columns stay text. Or ask somebody " +
        "with a terminal for undersign open --xlsx, which makes a table for Excel that needs none of this."));

/** Every key with its number, the largest first. */
const byCount = (counter, expected = {}) =>
  [...new Set([...counter.keys(), ...Object.keys(expected)])]
    .sort()
    .map((key) => [key, counter.get(key) ?? 0])
    .sort(([, one], [, other]) => other - one);

/** Each entry: what it is about, how many, whether that is wrong, and a button where there is something to save. */
const listOf = (entries) =>
  h("ul", { class: "files" }, entries.map(({ name, count, differs, button }) =>
    h("li", {}, h("span", { class: "name" }, name), " ",
      h("span", { class: differs ? "differs" : null }, count), " ", button)));

const countryList = (opened, expectation, all) => {
  const expected = expectation?.countries;
  return listOf(byCount(opened.countries, expected).map(([code, count]) => {
    const differs = expected && count !== (expected[code] ?? 0);
    return {
      name: `${regions.of(code)} (${code})`,
      count: differs ? `${number(count)}, not ${number(expected[code] ?? 0)}` : number(count),
      differs,
      button: count > 0 &&
        downloadButton(all, `country-${code}`, { country: code }, "Download", `Download ${regions.of(code)}`),
    };
  }));
};

const partnerList = (opened, all) =>
  listOf(byCount(opened.partners).map(([slug, count]) => ({
    name: slug,
    count: `${number(opened.contacts.get(slug) ?? 0)} of ${number(count)} said yes`,
    button: opened.contacts.has(slug) &&
      downloadButton(all, `partner-${slug}`, { partner: slug }, "Download", `Download ${slug}`),
  })));

const card = (heading, hint, content) =>
  h("section", { class: "card" }, h("h2", {}, heading), h("p", { class: "hint" }, hint), content);

const consentList = (consents) =>
  card("Consent texts", "What the versions in the column consent_version say, in each language.",
    h("button", {
      type: "button", class: "quiet",
      onclick() {
        const choice = wanted({});
        save(consentTable(consents, choice), `consents.${choice.kind}`);
      },
    }, "Download the consent texts"));

const downloads = (opened, expected, all, file, manifest) => [
  h("p", { class: "notice" }, h("strong", {}, "What you download can be read by anybody. "),
    "It holds names and addresses. Delete each file as soon as it has served its purpose, from your downloads and " +
      "from the bin; then close this page, too."),
  h("section", { class: "card" }, h("h2", {}, "Download"), choices(),
    downloadButton(
      all, "signatures", {}, `Download ${opened.signatures > 1 ? "all " : ""}${signatures(opened.signatures)}`)),
  manifest && opened.name !== "held.ndjson" && !opened.damaged.length && card(
    "Hand-over", "Whom you give the table to is recorded from this file. It has the sum of the table in the form that " +
      "is chosen above, and how many signatures it holds, but no names and no addresses.",
    handOverButton(opened, manifest, file, all)),
  card("By country", "A file for each country holds those who signed there.", countryList(opened, expected, all)),
  opened.partners.size > 0 && card(
    "By partner", "A file for each partner holds those who said yes to its news, and nobody else.",
    partnerList(opened, all)),
  manifest?.consents?.length > 0 && consentList(manifest.consents),
];

const showOpened = (opened, file, manifest) => {
  const all = opened.parts.whole("application/x-ndjson");
  const expected = expectationOf(opened, manifest);
  showResult(
    `${signatures(opened.signatures)} opened`,
    damage(opened),
    verdict(opened, expected, manifest),
    opened.signatures ? downloads(opened, expected, all, file, manifest?.manifest) : [],
    h("button", { type: "button", class: "quiet", onclick: () => startAgain("files") }, "Open another file"));
};

const begun = () => {
  const workers = Math.max(1, Math.min(navigator.hardwareConcurrency || 2, MOST_WORKERS));
  onSubmit("start", { workers, title: "It could not be opened", command: "undersign open" }, openChosen);
  byId("files").addEventListener("change", offerExports);
  showWith("show", "passphrase");
  startPage();
};

if (globalThis.document) begun();
else work({ unlock, take, digest, open });
