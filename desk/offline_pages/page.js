/** What the offline pages have in common: their parts, their forms and their errors. */

const byId = (id) => document.getElementById(id);

/** An element; `on…` attributes are listeners. */
const h = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child));
  return made;
};

/** Say something to screen readers. */
const say = (text) => { byId("said").textContent = text; };

/** Show one part of the page and no other. */
const show = (id) => {
  for (const part of ["start", "working", "result"]) byId(part).hidden = part !== id;
};

/** Show what came of it, below a heading. */
const showResult = (heading, ...content) => {
  const title = h("h2", { tabindex: "-1" }, heading);
  byId("result").replaceChildren(title, ...content.flat().filter((child) => child));
  show("result");
  say("");
  title.focus();
};

let lastAddress;
const save = (blob, name) => {
  URL.revokeObjectURL(lastAddress);
  lastAddress = URL.createObjectURL(blob);
  h("a", { href: lastAddress, download: name }).click();
  say(`${name} is made. Look among your downloads.`);
};

/** Return to the beginning, to the field with this id, and forget what was shown. */
const startAgain = (id) => {
  URL.revokeObjectURL(lastAddress);
  byId("result").replaceChildren();
  show("start");
  byId(id).focus();
};

/** Let a checkbox show what is typed into fields for a passphrase. */
const showWith = (checkbox, ...fields) => {
  byId(checkbox).addEventListener("change", ({ target }) => {
    for (const field of fields) byId(field).type = target.checked ? "text" : "password";
  });
};

let pool;

/**
 * Do what a form asks for, with workers and only once at a time. `title`: what an error means. `command`: what to use
 * if the page fails.
 */
const onSubmit = (form, { workers, title, command }, task) => {
  byId(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    if (pool) return;
    clearErrors();
    pool = new WorkerPool(workers);
    try {
      await task(pool);
    } catch (error) {
      show("start");
      if (error instanceof Stopped) stopped(event.submitter);
      else showError(asUserError(error, command), title);
    } finally {
      pool.stop();
      pool = null;
    }
  });
};

/** Show that something is under way, which the person may stop. `step`: what is done first. */
const begin = (heading, step) => {
  byId("working-heading").textContent = heading;
  byId("bar").removeAttribute("value");
  byId("speed").textContent = step;
  show("working");
  byId("working-heading").focus();
};

const stopped = (button) => {
  say("Stopped. Nothing was kept.");
  button.focus();
};

/** A file, chosen in this field, is gone or was changed. */
const unreadable = (field) =>
  new UserError(
    "A file could not be read to its end. Was it moved or changed, or the stick pulled? Choose it again.", field);

const asUserError = (error, command) => {
  if (error instanceof UserError) return error;
  if (error.message === UNREADABLE) return unreadable("files");
  return new UserError(`Something went wrong that should not: ${error.message}. Use ${command}.`);
};

const clearErrors = () => {
  byId("faults").hidden = true;
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.setAttribute("aria-describedby", `${field.id}-hint`);
    byId(`${field.id}-fault`).remove();
  }
};

const showError = ({ message, field }, title) => {
  say("");
  const leads = (event) => {
    event.preventDefault();
    byId(field).focus();
  };
  byId("faults").replaceChildren(
    h("p", { class: "title" }, title),
    field ? h("ul", {}, h("li", {}, h("a", { href: `#${field}`, onclick: leads }, message))) : h("p", {}, message));
  if (field) markError(byId(field), message);
  byId("faults").hidden = false;
  byId("faults").focus();
};

const markError = (field, message) => {
  field.before(h("p", { class: "fault", id: `${field.id}-fault` }, message));
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${field.id}-fault ${field.id}-hint`);
};

/** Show the beginning, once all listeners are there. */
const startPage = () => {
  byId("stop").addEventListener("click", () => pool.stop());
  // A file that is dropped beside a field would otherwise be shown instead of the page.
  for (const dragging of ["dragover", "drop"]) {
    addEventListener(dragging, (event) => {
      if (event.target.type !== "file") event.preventDefault();
    });
  }
  show("start");
};
