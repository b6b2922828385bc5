/** keys.html: makes a key, as `undersign keygen` does, and answers test files, as `undersign answer` does. */

/** As desk/keys/identities.py has it. */
const MIN_PASSPHRASE_CHARACTERS = 12;
/** As many as age draws, of the same list of 2,048: 110 bits. */
const WORDS = 10;
/** What a test file holds, as desk/keys/answer.py has it. Nothing else is shown: it could be a signature. */
const ANSWER = /^[a-z2-9]{4}(-[a-z2-9]{4}){5}$/;

// In a worker

/** Open what is sealed to a key. */
const decrypt = (sealed, identities) => {
  const decrypter = new age.Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  return decrypter.decrypt(sealed, "text");
};

/** Make a key; return its public key, and its file under the passphrase, which was tried. */
const make = async (passphrase) => {
  const identity = await age.generateX25519Identity();
  const recipient = await age.identityToRecipient(identity);
  const created = `${new Date().toISOString().slice(0, 19)}Z`;
  const encrypter = new age.Encrypter();
  encrypter.setPassphrase(passphrase);
  const locked = await encrypter.encrypt(`# created: ${created}\n# public key: ${recipient}\n${identity}\n`);
  const file = age.armor.encode(locked);
  await tryKey(file, passphrase, recipient);
  return { recipient, file };
};

/** Seal something to the public key, and open it with the file. */
const tryKey = async (file, passphrase, recipient) => {
  const { unlocked } = await unlock({ locked: new TextEncoder().encode(file), passphrase });
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(recipient);
  const sealed = await encrypter.encrypt(recipient);
  if ((await decrypt(sealed, unlocked.match(/^AGE-SECRET-KEY-1.*$/m))) !== recipient) {
    throw new Error("the key does not open what is sealed to it");
  }
};

/** The public keys of these keys, and the answer to a test file, if one is given; or the problem. */
const answer = async ({ identities, test }) => {
  let recipients;
  try {
    recipients = await Promise.all(identities.map((identity) => age.identityToRecipient(identity)));
  } catch {
    return { problem: "key" };
  }
  if (!test) return { recipients };
  try {
    const opened = (await decrypt(withoutArmor(test), identities)).trim();
    return ANSWER.test(opened) ? { recipients, opened } : { problem: "test" };
  } catch {
    return { problem: "other", recipients };
  }
};

// In the page

/** The key that was made here, with its file. `isProven`: whether a file that was chosen has opened it. */
let made;

const drawWords = () => {
  const drawn = crypto.getRandomValues(new Uint16Array(WORDS));
  byId("words").textContent = Array.from(drawn, (each) => words.wordlist[each % words.wordlist.length]).join("-");
};

const isDrawn = () => byId("drawn").checked;

const offerPassphrase = () => {
  byId("words-field").hidden = !isDrawn();
  byId("own-field").hidden = isDrawn();
};

/** The passphrase that was chosen, and typed again. */
const chosenPassphrase = () => {
  const passphrase = isDrawn() ? byId("words").textContent : byId("own").value;
  if ([...passphrase].length < MIN_PASSPHRASE_CHARACTERS) {
    throw new UserError(`The passphrase is too short: ${MIN_PASSPHRASE_CHARACTERS} characters at least.`, "own");
  }
  const again = byId("again").value;
  if (!again) throw new UserError("Type the passphrase once more, from your paper.", "again");
  if (again !== passphrase) {
    throw new UserError(
      "This is not the same passphrase. Mind capitals, hyphens and spaces; “Show what I type” lets you see it.",
      "again");
  }
  return passphrase;
};

const makeKey = async (pool) => {
  const passphrase = chosenPassphrase();
  begin("Making your key", "It is made, locked and tried. This takes some seconds …");
  made = { ...(await pool.ask("make", passphrase)), isProven: false };
  addEventListener("beforeunload", askBeforeLeaving);
  for (const field of ["own", "again"]) byId(field).value = "";
  byId("words").textContent = "";
  // Other words would be taken for those of the key that was made.
  byId("make").hidden = true;
  byId("made").hidden = false;
  showMade();
};

/** Ask before the page is left, as long as it may hold the key's only copy. */
const askBeforeLeaving = (event) => event.preventDefault();

/** Go to the form, and keep the key that was made. */
const trySaved = () => {
  show("start");
  byId("key").focus();
};

const PROBLEMS = {
  key: (key) => damagedKey(key.name),
  test: (key, test) => new UserError(
    `${test.name} is no test file that undersign prove makes. Do not answer the person who sent it to you.`, "test"),
  other: (key, test, [recipient]) => new UserError(
    `${test.name} was not made for this key (${recipient.slice(0, 12)}…), or was damaged on its way to you. The name ` +
      "of a test file ends with the first characters of the public key that it was made for.", "test"),
};

const tryChosen = async (pool) => {
  const key = await chosenKey();
  const [file] = byId("test").files;
  const test = file && (await contentOf(file, "test"));
  begin(`Opening ${key.name}`, "Unlocking your key …");
  const identities = await identitiesOf(key, byId("passphrase").value, pool);
  const { recipients, opened, problem } = await pool.ask("answer", { identities, test: test?.bytes });
  if (problem) throw PROBLEMS[problem](key, test, recipients);
  byId("passphrase").value = "";
  if (recipients.includes(made?.recipient)) {
    made.isProven = true;
    removeEventListener("beforeunload", askBeforeLeaving);
  }
  showTried(key.name, recipients, test && { name: test.name, opened });
};

/** A text with a button that copies it, and selects it where the browser does not let a page copy. */
const copyable = (text, label) => {
  const shown = h("p", { class: "code" }, text);
  const copied = h("p", { class: "hint", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(shown);
      copied.textContent = "This browser does not let a page copy. It is selected now: press Ctrl+C, or ⌘C on a Mac.";
    }
  };
  return [shown, h("button", { type: "button", class: "quiet", onclick: copy }, label), copied];
};

const card = (heading, ...content) => h("section", { class: "card" }, h("h3", {}, heading), ...content.flat());

const saving = (name, file) => {
  const saved = h("p", { class: "hint", role: "status" });
  const saveFile = () => {
    save(new Blob([file], { type: "application/octet-stream" }), name);
    saved.textContent =
      `Look for ${name} among your downloads. If it is not there, or you cancelled, press the button once more.`;
  };
  return [h("button", { type: "button", onclick: saveFile }, `Save ${name}`), saved];
};

const showMade = () => {
  const { recipient, file, isProven } = made;
  showResult(
    "Your key is made, and was tried",
    h("p", {}, "Its file opens with its passphrase, and what is sealed to its public key can be opened."),
    card("1. Save the key file",
      h("p", {}, "This page does not keep it: when it is closed and you have no file, the key is gone."),
      saving(`key-${recipient.slice(0, 12)}.age`, file)),
    card("2. Try the saved file",
      h("p", {}, isProven
        ? "It has opened: it was saved, and your passphrase is right."
        : "With the passphrase on your paper, before you send anything. This shows that the file was saved."),
      h("button", { type: "button", class: "quiet", onclick: trySaved }, "Try the saved file")),
    card("3. Send the public key",
      h("p", {}, "To the person who makes the campaign file. It is no secret: it seals, and opens nothing."),
      copyable(recipient, "Copy the public key")),
    card("4. Know what you have", byId("meaning").content.cloneNode(true)));
};

/** What is said of, or asked about, a public key that a file opened. */
const questionOf = (recipient) => {
  if (!made) return "Is it the one that you sent to the person who makes the campaign file?";
  return recipient === made.recipient
    ? "It is the key that you made here: its file was saved, and your passphrase is right."
    : "It is not the key that you made here. Choose the file that was saved for that one.";
};

const showTried = (name, recipients, test) =>
  showResult(
    `${name} opens`,
    test && card("The answer",
      h("p", {}, `${test.name} was made for this key. Send this to the person who sent it to you: it shows that your ` +
        "key opens, and says nothing about the key."),
      copyable(test.opened, "Copy the answer")),
    recipients.map((recipient) => card("Its public key",
      h("p", {}, questionOf(recipient)),
      copyable(recipient, "Copy the public key"))),
    made
      ? h("button", { type: "button", class: "quiet", onclick: showMade }, "Back to your new key")
      : h("button", { type: "button", class: "quiet", onclick: () => startAgain("key") }, "Back"));

const begun = () => {
  onSubmit("make", { workers: 1, title: "No key was made", command: "undersign keygen" }, makeKey);
  onSubmit("try", { workers: 1, title: "It could not be opened", command: "undersign answer" }, tryChosen);
  for (const radio of ["drawn", "chosen"]) byId(radio).addEventListener("change", offerPassphrase);
  byId("draw").addEventListener("click", drawWords);
  byId("back").addEventListener("click", showMade);
  // Forgets everything; the browser asks first if the key was not proven.
  byId("another").addEventListener("click", () => location.reload());
  showWith("show-made", "own", "again");
  showWith("show", "passphrase");
  drawWords();
  offerPassphrase();
  startPage();
};

if (globalThis.document) begun();
else work({ unlock, make, answer });
