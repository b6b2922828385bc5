/**
 * Undersign's form and counter for any page: <undersign-form> and <undersign-counter>.
 *
 * No dependency and no build step: this file, without its comments and spaces, is what browsers run. It sets no cookie, keeps
 * nothing in the browser, and asks nobody but the origin it came from. It makes elements and never parses markup, so
 * that a page's Content-Security-Policy needs no exception, and anybody who pins this file by its digest knows all that
 * will run.
 *
 * Until the petition's texts are here, and in browsers that lack what this needs, the plain form that stands inside
 * the element stays in place.
 */

const ORIGIN = new URL(import.meta.url).origin;
/** The page's origin as the server sees it: "null" in a sandboxed frame, unlike location's. */
const PAGE = [location.origin, self.origin].includes("null") ? self.origin : location.origin;
/** On our own pages the server has made the form already, and the page has its style. */
const OWN = ORIGIN === location.origin;
const CAPABLE = "adoptedStyleSheets" in Document.prototype && "replaceSync" in CSSStyleSheet.prototype;

const ATTEMPTS = 6;
const PATIENCE_MS = 20_000;
const RESEND_SECONDS = 60;
const REFRESH_SECONDS = 10;
const MAX_REFRESH_SECONDS = 300;

const STYLE = `
:host { display: block; max-width: max(40em, 640px); }
.text { all: initial; display: block; visibility: inherit; color: var(--undersign-ink, inherit); color-scheme: light;
  font: max(16px, 1em)/1.5 sans-serif; font-family: var(--undersign-font, inherit); overflow-wrap: break-word;
  --u-act: var(--undersign-accent, #2a3fb0); --u-on: var(--undersign-on-accent, #fff);
  --u-soft: var(--undersign-soft, #4a5064); --u-line: var(--undersign-line, #6f768b);
  --u-card: var(--undersign-surface, #fff); --u-bad: var(--undersign-error, #b3171d); --u-round: var(--undersign-radius, 6px); }
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
.card { padding: 1.25em; border: 1px solid var(--u-line); border-radius: calc(1.6 * var(--u-round));
  background: var(--u-card); color: var(--undersign-ink, #171a26); }
h2, h3, p, ol, dl, dd, ul { margin: 0 0 1em; }
h2 { font-size: 1.35em; line-height: 1.25; }
h3 { font-size: 1.05em; margin: 1.5em 0 .5em; }
ol, ul { padding-left: 1.4em; }
a { color: var(--u-act); }
.card > :last-child, form > :last-child { margin-bottom: 0; }
.soft, .hint, dt { color: var(--u-soft); }
.hint, dt { font-size: .9em; }
.hint { margin: .35em 0 0; }
.hint + button { margin-top: .6em; }
.address { overflow-wrap: anywhere; }
.field { margin: 0 0 1.1em; padding: 0; border: 0; min-width: 0; }
label, legend { display: block; padding: 0; margin-bottom: .3em; font-weight: 600; line-height: 1.4; }
input, select, button { font: inherit; color: inherit; }
input:not([type=radio], [type=checkbox]), select { display: block; width: 100%; min-height: 2.8em; padding: .45em .7em;
  border: 1px solid var(--u-line); border-radius: var(--u-round); background: var(--u-card); }
[aria-invalid=true]:not(fieldset) { border-color: var(--u-bad) !important; outline: 1px solid var(--u-bad); }
[type=radio], [type=checkbox] { flex: none; width: 1.35em; height: 1.35em; margin: .1em 0 0; accent-color: var(--u-act); }
.choices { display: flex; flex-wrap: wrap; gap: 0 2em; }
.choice { display: flex; gap: .7em; align-items: center; min-width: 5em; min-height: 2.75em; margin: 0;
  font-weight: 400; cursor: pointer; }
.consent { align-items: flex-start; padding: .5em 0; font-size: .92em; }
.fault { margin: 0 0 .35em; color: var(--u-bad); font-weight: 600; }
.faults, .notice { margin: 0 0 1.25em; padding: 1em; border: 2px solid var(--u-bad); border-radius: var(--u-round); }
.notice { border-color: var(--u-act); }
.faults ul { margin: .5em 0 0; padding: 0; list-style: none; }
.faults a { display: inline-block; padding: .2em 0; color: var(--u-bad); font-weight: 600; }
.title { margin: 0; font-weight: 700; }
button, .button { display: block; width: 100%; min-height: 3em; margin: 0 0 .75em; padding: .7em 1.2em;
  border: 2px solid var(--u-act); border-radius: var(--u-round); background: var(--u-act); color: var(--u-on); font-weight: 700;
  line-height: 1.35; text-align: center; text-decoration: none; cursor: pointer; }
button:hover, .button:hover { filter: brightness(.85); }
[aria-disabled=true] { opacity: .7; cursor: default; }
.quiet { background: transparent; color: var(--u-act); font-weight: 600; }
.inline { display: inline; width: auto; min-height: 0; margin: 0; padding: .2em 0; border: 0; background: none; color: var(--u-act);
  font-weight: 600; text-align: left; text-decoration: underline; }
.more { margin: 0 0 .75em; }
.more > summary { padding: .6em 0; color: var(--u-act); font-weight: 600; cursor: pointer; }
.after { text-align: center; }
dl > div { margin-bottom: .5em; }
dd { margin: 0; }
.counted { margin: 0 0 .4em; line-height: 1.2; }
.number { font-size: 1.75em; font-weight: 700; font-variant-numeric: tabular-nums; }
.track { height: .7em; overflow: hidden; border: 1px solid var(--u-line); border-radius: 1em; background: var(--u-card); }
.bar { width: 0; height: 100%; background: var(--u-act); transition: width .8s ease-out; }
.goal { margin: .35em 0 1.1em; color: var(--undersign-soft, inherit); font-size: .9em; }
:focus-visible { outline: 3px solid var(--u-act); outline-offset: 2px; }
[tabindex="-1"]:focus { outline: 0; }
@media (prefers-reduced-motion: reduce) { .bar { transition: none; } }
@media (forced-colors: active) { .bar { background: Highlight; forced-color-adjust: none; } }
`;

let sheet;
/** Text styles inherited from the page stop here. */
const shadow = (element) => {
  const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
  if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const text = h("div", { class: "text", lang: element.about.language, dir: "ltr" });
  root.replaceChildren(text);
  return text;
};

/** An element; `on…` attributes are listeners, and every class is a ::part, too. */
const h = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "href" && !/^(https?|mailto|viber):/.test(value)) continue;
    else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.part = [tag, attributes.class].filter(Boolean).join(" ");
  made.append(...children.flat().filter(Boolean));
  return made;
};

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
/** Seconds before the next attempt: exponential backoff with jitter, never sooner than asked. */
const pause = (attempt, asked = 0) => Math.max(asked, Math.min(60, 2 ** attempt)) * (1 + Math.random() / 2);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);

/** What the server answers. `status`: 0 where it could not be reached. */
const ask = async (url, options = {}) => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const response = await fetch(url, {
      credentials: "omit", referrerPolicy: "no-referrer", signal: abort.signal, ...options,
    });
    const seconds = Number(response.headers.get("Retry-After")) || 0;
    return { status: response.status, seconds, content: await response.json().catch(() => ({})) };
  } catch {
    return { status: 0, seconds: 0, content: {} };
  } finally {
    clearTimeout(timer);
  }
};
const post = (path, body) =>
  ask(ORIGIN + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
/** As a form without script, of which no work is asked: its mail comes later. */
const postPlain = (path, body) =>
  ask(ORIGIN + path, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(body) });
const isBusy = (status) => status === 0 || status === 429 || status >= 500;

/** The proof of work that sign asks for, see shared/crypto/proof_of_work.py: sought once, and kept with the challenge. */
export const solve = ({ campaign, work }, email) =>
  work && (work[email] ??= search(work, `${campaign} ${work.day} ${email}`).catch(() => {}));
/** The browser derives outside the page's own thread. */
const search = async ({ day, nonces, bits, iterations }, password) => {
  const bytes = (text) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(password), "PBKDF2", false, ["deriveBits"]);
  const found = [];
  for (let n = 0; found.length < nonces; n += 16) {
    await Promise.all(Array.from({ length: 16 }, async (_, more) => {
      const salt = bytes(`${n + more}`);
      const derived = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, key, 32);
      if (!(new DataView(derived).getUint32() >>> (32 - bits))) found.push(n + more);
    }));
  }
  return { day, nonces: found.slice(0, nonces) };
};

/** Whether the reader came by a reload, or back: perhaps from the mailbox, to a page that no longer knows who has signed. */
const isReturn = () => ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type);

const petitions = new Map();
/** The petition's texts and what its form asks, the same for the pages of all partners; asked for once. */
const petition = (url) => petitions.get(url) ?? petitions.set(url, load(url)).get(url);
const load = async (url) => {
  for (let attempt = 0; ; attempt++) {
    const { status, seconds, content } = await ask(url);
    if (status === 200) return content;
    if (!isBusy(status)) {
      const known = content.campaigns?.map((id) => `campaign="${id}"`).join(" or ");
      console.error(`Undersign: ${content.detail ?? status} ${url}`, known ? `Open now: ${known}` : "");
      return null;
    }
    await sleep(pause(attempt, seconds));
  }
};

/** Shows the buttons that need a script: to copy a text, to open the device's own sharing. */
const enliven = (root) => {
  for (const button of root.querySelectorAll("[data-copy]")) {
    const named = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const shown = root.querySelector(`#${button.dataset.copy}`);
      try {
        await navigator.clipboard.writeText(shown.textContent.trim());
        button.textContent = button.dataset.done;
        setTimeout(() => (button.textContent = named), 4000);
      } catch {
        getSelection().selectAllChildren(shown); // no permission: at least it is marked, for the reader to copy
      }
    });
  }
  if (!navigator.share) return;
  for (const button of root.querySelectorAll("[data-share]")) {
    button.hidden = false;
    root.querySelector(".primary")?.classList.add("quiet");
    button.addEventListener("click", () => {
      navigator.share({ text: button.dataset.text, url: button.dataset.share }).catch(() => {});
    });
  }
};

/** Scripts whose letters are written according to the joiners between them. */
const JOINING = /[\u0600-\u109f\u1700-\u18af\u1900-\u1c7f\ua800-\uabff]/;
/** The same as in the server's cleaning.py: what is invisible goes, and all white space is single spaces. */
const cleanText = (text) => text
  .replace(/(?![\u200c\u200d])[\p{Cf}\p{DI}\0-\x08\x0e-\x1f\x7f]/gu, "")
  .replace(/[\s\x85]+/g, " ")
  .replace(/[\u200c\u200d]+/g, (found, at, all) =>
    JOINING.test(all[at - 1]) && JOINING.test(all[at + found.length]) ? found[0] : "")
  .replace(/ +/g, " ").trim();
const plain = (text) => cleanText(text)
  .replace(/[‘’´′\u1ffd]/g, "'").replace(/[\p{Pd}\u2212]/gu, "-")
  .replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt() - 0xfee0));
const CLEAN = {
  name: cleanText,
  postal_code: (text) => plain(text).replace(/[ .,;]+$/, ""),
  email: (text) => {
    const whole = plain(text).replace(/^[ "“„<]+|[ "“”>.,;:!?]+$/g, "");
    const at = whole.lastIndexOf("<");
    const shown = whole.slice(0, Math.max(at, 0));
    const address = whole.slice(at + 1).replace(/^mailto:([^?]*).*$/i, "$1").trim();
    const same = shown.replace(/^[ "']+|[ "']+$/g, "").toLowerCase() === address.toLowerCase();
    return !shown.includes("@") || same ? address : whole;
  },
};

/** The elements that are in the page. */
const placed = new Set();

const isSource = (text) => /^[a-z0-9-]{1,40}$/.test(text ?? "");
const query = new URLSearchParams(location.search);
const utm = ["utm_source", "utm_campaign"].map((name) => query.get(name)).filter(Boolean).join("-");
/** `source`, else what newsletter tools write, as in utm_source=Newsletter&utm_campaign=November_2026. */
const SOURCE = [query.get("source"), utm.toLowerCase().replace(/[ _.]+/g, "-").slice(0, 40)].find(isSource) ?? "";

/** What the link to this page brings for the form: a source, an address and a name. */
let link = new URLSearchParams({ source: SOURCE });
/** Asks our frames for their height, in answer to which they get the link. This goes to any origin: it holds no data. */
const askFrames = () => {
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.src.startsWith(ORIGIN)) frame.contentWindow.postMessage({ undersign: "height" }, "*");
  }
};
const takeLink = (text) => {
  if (text === `${link}`) return;
  link = new URLSearchParams(text);
  placed.forEach((element) => element.prefill?.());
  askFrames();
};
/**
 * `#email=ann%40example.org&name=Ann`. No server is sent a fragment; it would be sent a query, which is not read for
 * these. They are removed from the address, which people share and bookmark. A `name` alone is the page's own.
 */
const takeFragment = () => {
  const { hash, href } = location;
  if (!/[#&]email=/.test(hash)) return;
  const ours = /[#&](email|name)=[^&]*/g;
  const rest = hash.replace(ours, "").replace(/^&/, "#");
  history.replaceState(history.state, "", href.split("#")[0] + rest);
  takeLink(`source=${SOURCE}&${hash.match(ours).join("").slice(1)}`);
  document.getElementById(rest.slice(1))?.scrollIntoView();
};
takeFragment();
// Where the page is open already, its link loads no page.
addEventListener("hashchange", takeFragment);

/** Follows its attributes and the page's language. */
class Petition extends HTMLElement {
  static observedAttributes = ["campaign", "lang", "goal"];
  #url;

  connectedCallback() {
    placed.add(this);
    this.follow();
  }

  disconnectedCallback() {
    placed.delete(this);
  }

  attributeChangedCallback() {
    this.follow();
  }

  async follow() {
    await null; // one request for all attributes
    if (!CAPABLE || !this.isConnected) return;
    const campaign = this.getAttribute("campaign");
    const lang = (this.closest("[lang]") ?? document.documentElement).lang.trim();
    const query = new URLSearchParams();
    if (lang) query.set("lang", lang.split(/[-_]/)[0].toLowerCase());
    if (!OWN) query.set("embed", "1");
    const url = `${ORIGIN}/v1/campaigns/${encodeURIComponent(campaign)}/form?${query}`;
    if (url === this.#url) return;
    this.#url = url;
    if (campaign === null) await sleep(1); // set late
    if (url !== this.#url) return;
    if (campaign === null) console.error(`Undersign: <${this.localName}> has no attribute "campaign"`);
    const about = await petition(url);
    if (url !== this.#url) return;
    if (about) this.display(about);
    else this.shadowRoot?.replaceChildren(h("slot"));
  }
}
new MutationObserver(() => placed.forEach((element) => element.follow()))
  .observe(document, { attributeFilter: ["lang"], subtree: true });

class Form extends Petition {
  /** Names of the fields in which somebody has typed, even if they are empty again. */
  #begun = new Set();

  display(about) {
    const last = this.about?.campaign === about.campaign ? this : {};
    if (last.body) return; // signed
    const typed = last.form ?? this.#plainForm(about);
    this.about = about;
    const active = (this.shadowRoot?.activeElement ? this.shadowRoot : this.getRootNode()).activeElement;
    this.root = OWN ? this : shadow(this);
    if (!typed?.closest(this.localName)) typed?.remove();
    const named = this.getAttribute("partner")?.trim() ?? typed?.elements.partner?.value;
    // A page cannot fake its origin, and the server looks at it, too. Of our own, the snippet page's preview is not OWN.
    const isNamed = [ORIGIN, "null"].includes(PAGE);
    this.partner = about.partners.find(({ id, origins }) => (isNamed ? id === named : origins.includes(PAGE)));
    if (PAGE === "null") return this.#leadOn(!OWN && h("h2", {}, about.title));
    if (!OWN && !this.partner) return this.#refuse();
    if (about.closed_reason) {
      const [title, text] = about.closed_reason === "campaign_closed"
        ? ["error_titles.campaign_closed", "error.dates"]
        : ["error_titles.campaign_paused", "errors.campaign_paused"];
      return OWN || this.#show(title, h("p", {}, this.#text(text)));
    }
    if (named && this.partner?.id !== named) {
      console.warn(`Undersign: this page signs for the partner ${this.partner?.id ?? "none"}, as its origin says`);
    }
    this.form = (OWN && typed) || this.#makeForm();
    this.consentVersion = this.form.elements.consent_version?.value ?? about.consent_version;
    this.form.noValidate = true;
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.form.addEventListener("input", ({ target }) => this.#begun.add(target.name));
    // A sandbox without allow-forms submits nothing.
    this.form.querySelector("button").addEventListener("click", (event) => this.#submit(event));
    // An error shown while a button is pressed would move it from under the finger.
    let released;
    this.form.addEventListener("pointerdown", () => {
      released = new Promise((resolve) => {
        for (const end of ["pointerup", "pointercancel"]) addEventListener(end, resolve, { once: true });
      });
    });
    this.form.addEventListener("change", async ({ target }) => {
      await released;
      await sleep(0);
      this.#look(target);
    });
    if (OWN) this.#chooseCountry();
    else this.#replaceForm(typed, active);
    if (!last.form) this.prefill();
    if (isReturn()) {
      this.form.before(h("p", { class: "notice", role: "status" }, this.#text("form.just_signed")));
    }
    this.#tell("ready");
  }

  /** Inside the element, or after it where WordPress's paragraphs tear them apart. */
  #plainForm({ campaign }) {
    const action = `${ORIGIN}/v1/campaigns/${campaign}/signatures`;
    const isTorn = (form) => form.getAttribute("action") === action && !form.closest(this.localName);
    return this.querySelector("form") ?? [...document.forms].find(isTorn);
  }

  /** Keeps input and focus; consent is given again, to the text now shown. */
  #replaceForm(last, active) {
    for (const name of ["name", "email", "country", "postal_code", "newsletter"]) {
      const typed = last?.elements[name]?.value;
      if (typed && this.form.elements[name]) this.form.elements[name].value = typed;
    }
    this.#chooseCountry();
    this.#reopen();
    if (last?.contains(active) && active.name) this.#control(active.name)?.focus();
  }

  #text(key, values = {}) {
    return fill(this.about.texts[key], { organisation: this.partner?.name ?? this.about.organisation, ...values });
  }

  /** The petition's own page; it keeps the partner. */
  get #hosted() {
    return this.about.hosted_page + (this.partner ? `&partner=${this.partner.id}` : "");
  }

  /** For the page's own code. Holds nothing personal. */
  #tell(event, detail = {}) {
    const about = { campaign: this.about.campaign, language: this.about.language, partner: this.partner?.id };
    this.dispatchEvent(
      new CustomEvent(`undersign:${event}`, { bubbles: true, composed: true, detail: { ...about, ...detail } }),
    );
  }

  /** A state in the form's place; its heading gets the focus, so that it is read out. */
  #show(heading, ...nodes) {
    const title = h("h2", { tabindex: -1 }, this.#text(heading));
    const view = h("div", { class: OWN ? null : "card" }, title, nodes);
    this.root.replaceChildren(view);
    enliven(view);
    title.focus();
    return view;
  }

  #reopen() {
    this.root.replaceChildren(OWN ? this.form : h("div", { class: "card" }, this.heading, this.form));
  }

  #refuse() {
    console.error(
      `Undersign: ${PAGE} is not registered for the petition "${this.about.campaign}", so nobody can sign ` +
        `on this page. Its organisers register it: ${this.about.contact}`,
    );
    this.#leadOn(h("p", {}, this.#text("sending.not_registered")));
  }

  /** With the address to copy: a sandbox may open no tab. */
  #leadOn(reason) {
    this.root.replaceChildren(
      h("div", { class: OWN ? null : "card" }, reason,
        h("a", { class: "button", href: this.#hosted, target: PAGE === "null" && "_blank" }, this.#text("sending.hosted")),
        PAGE === "null" && h("p", { class: "address" }, this.#hosted)),
    );
    this.#tell("refused");
  }

  #makeForm() {
    const { about } = this;
    const optional = (name) =>
      about.required.includes(name) ? null : h("span", { class: "soft" }, ` (${this.#text("form.optional")})`);
    const field = (name, control, hint) =>
      h("div", { class: "field" }, h("label", { for: name }, this.#text(`form.${name}`), optional(name)), control, hint);
    const input = (name, attributes) =>
      h("input", { id: name, name, class: "control", required: about.required.includes(name), ...attributes });
    const choice = (value, key) =>
      h("label", { class: "choice" }, h("input", {
        type: "radio", name: "newsletter", value, id: value === "true" && "newsletter",
        required: about.required.includes("newsletter"),
      }), this.#text(key));
    this.heading = h("h2", {}, this.#text("form.heading"));
    return h("form", {},
      field("name", input("name", { autocomplete: "name", maxlength: 100 })),
      field("email", input("email", {
        autocomplete: "email", inputmode: "email", autocapitalize: "none", spellcheck: "false",
        maxlength: 254, "aria-describedby": "email-hint",
      }), h("p", { class: "hint", id: "email-hint" }, this.#text("form.email_hint"))),
      field("country", h("select", { id: "country", name: "country", class: "control", autocomplete: "country", required: true },
        h("option", { value: "" }, this.#text("form.country_empty")),
        about.countries.map(([code, name]) => h("option", { value: code }, name)))),
      about.asks_postal_code && field("postal_code", input("postal_code", { autocomplete: "postal-code", maxlength: 15 })),
      h("fieldset", { class: "field", role: "radiogroup" },
        h("legend", {}, this.#text("form.newsletter"), optional("newsletter")),
        h("div", { class: "choices" }, choice("true", "form.yes"), choice("false", "form.no"))),
      h("div", { class: "field" },
        h("label", { class: "choice consent" },
          h("input", { type: "checkbox", id: "consent", name: "consent", value: "true", required: true }),
          h("span", {}, about.consent)),
        h("p", { class: "hint" }, this.#text("form.promise"), " ",
          h("a", { href: about.privacy_page, target: "_blank" }, this.#text("form.privacy")))),
      h("button", { class: "submit" }, this.#text("form.submit")));
  }

  /** The partner's, else the browser's, else the language's; never over what was chosen. */
  #chooseCountry() {
    const select = this.form.elements.country;
    const chosen = [...select.options].some((option) => option.value && option.defaultSelected);
    if (select.value && !(OWN && chosen && !this.partner?.country)) return;
    const region = navigator.languages
      .filter((tag) => tag !== "en-US") // a browser default everywhere
      .map((tag) => tag.split("-"))
      .find(([language, place]) => language === this.about.language && /^[A-Z]{2}$/.test(place ?? ""))?.[1];
    const country = this.partner?.country ?? region ?? this.about.language_country;
    if ([...select.options].some((option) => option.value === country)) select.value = country;
  }

  /** What was typed, as the server takes it. */
  #body() {
    const { about } = this;
    const typed = Object.fromEntries([...new FormData(this.form)].filter(([, value]) => value.trim()));
    const source = cleanText(this.getAttribute("source") ?? typed.source ?? link.get("source") ?? "");
    return {
      email: (typed.email ?? "").trim(), name: (typed.name ?? "").trim(), country: typed.country ?? "",
      locale: about.language, consent: this.form.elements.consent.checked,
      consent_version: this.consentVersion,
      ...(this.partner && { partner: this.partner.id }),
      ...(isSource(source) && { source }),
      ...(typed.newsletter && { newsletter: typed.newsletter === "true" }),
      ...(typed.postal_code && { postal_code: typed.postal_code.trim() }),
      // After a reload or the way back, the browser has filled in the form, and after a newsletter's link, we have.
      ...(!isReturn() && !this.prefilled && { page_seconds: Math.min(60, (performance.now() / 1000) | 0) }),
    };
  }

  #fault(control) {
    const value = (control.type === "radio" ? this.form.elements[control.name] : control).value.trim();
    if (control.required && !(control.type === "checkbox" ? control.checked : value)) {
      return control.name === "consent" ? "fields.consent_required" : "fields.required";
    }
    const isAddress = /^[^\s@]+@[^\s@,;]+\.[^\s@,;.]+$/.test(value);
    return control.name === "email" && value && !isAddress ? "fields.email_invalid" : null;
  }

  /** While somebody fills in: shows an error once a field is left, and removes it once it is corrected. */
  #look(control) {
    this.#tidy(control);
    const fault = this.#fault(control);
    const shown = this.form.querySelector(`#${control.name}-fault`);
    if (shown && !fault) this.#clear(control.name);
    if (fault && control.value.trim() && !shown) this.#mark(control.name, this.#text(fault));
    if (control.name !== "email") return;
    this.#suggest(control);
    if (!fault) solve(this.about, control.value);
  }

  /** "Did you mean ann@gmail.com?" */
  #suggest(control) {
    this.form.querySelector(".suggestion")?.remove();
    const [, local, domain] = /^([^\s@]+)@([^\s@]+)$/.exec(control.value.trim()) ?? [];
    const meant = domain && meantDomain(domain.toLowerCase(), this.about);
    if (!meant) return;
    const address = `${local}@${meant}`;
    const accept = () => {
      control.value = address;
      control.focus();
      this.#look(control);
    };
    control.after(h("p", { class: "hint suggestion", role: "status" },
      h("button", { type: "button", class: "inline", onclick: accept }, this.#text("form.did_you_mean", { address }))));
  }

  /** Shows what will be sent. */
  #tidy(control) {
    const clean = CLEAN[control.name];
    if (clean) control.value = clean(control.value);
  }

  /** Fills in, from the link, what nobody has begun. It is checked like what is typed, and only the signer sends it. */
  prefill() {
    for (const name of ["name", "email"]) {
      const control = this.form?.elements[name];
      const given = link.get(name)?.trim();
      // Too long, markup, or a placeholder that the newsletter has not filled in.
      if (!given || control?.value !== "" || given.length > control.maxLength || /[{|<]/.test(given)) continue;
      // A link can come while somebody types.
      if (this.#begun.has(name) || control.matches(":focus")) continue;
      // No address has a space: it was a plus that was not encoded.
      control.value = name === "email" ? given.replaceAll(" ", "+") : given;
      this.prefilled = true;
      this.#look(control);
    }
  }

  #control(name) {
    const found = this.form.elements[name];
    return found instanceof RadioNodeList ? found[0] : found;
  }

  #clear(name) {
    const root = this.form.getRootNode();
    const control = this.#control(name);
    this.form.querySelector(`#${name}-fault`)?.remove();
    const line = root.querySelector(`.faults a[href$="#${name}"]`)?.parentNode;
    const gone = line?.parentNode.children.length > 1 ? line : line?.closest(".faults");
    if (gone?.contains(root.activeElement)) control.focus();
    gone?.remove();
    const place = control.type === "radio" ? control.closest("fieldset") : control;
    place.removeAttribute("aria-invalid");
    this.#describe(place, name);
  }

  #mark(name, message) {
    this.#clear(name);
    const control = this.#control(name);
    const place = control.type === "radio" ? control.closest("fieldset") : control;
    const shown = h("p", { class: "fault", id: `${name}-fault` }, message);
    if (control.type === "radio") place.querySelector("legend").after(shown);
    else (control.closest("label") ?? control).before(shown);
    place.setAttribute("aria-invalid", "true");
    this.#describe(place, name);
  }

  #describe(place, name) {
    const ids = [`${name}-hint`, `${name}-fault`].filter((id) => this.form.querySelector(`#${id}`));
    place.setAttribute("aria-describedby", ids.join(" "));
  }

  /** `faults`: [{field, message}]. Beside their fields, and summed up above the form, which gets the focus. */
  #showFaults(faults) {
    this.#notify();
    this.form.querySelectorAll(".fault").forEach((shown) => this.#clear(shown.id.replace(/-fault$/, "")));
    this.form.getRootNode().querySelector(".faults")?.remove();
    if (!faults.length) return;
    const link = ({ field, message }) => {
      const control = this.#control(field);
      if (!control || control.type === "hidden") return h("li", {}, `${field}: ${message}`);
      this.#mark(field, message);
      const jump = (event) => {
        event.preventDefault();
        control.focus();
      };
      const named = this.about.texts[`form.short_${field}`];
      return h("li", {}, h("a", { href: `${location.href.split("#")[0]}#${field}`, onclick: jump }, `${named}: ${message}`));
    };
    const summary = h("div", { class: "faults", role: "alert", tabindex: -1 },
      h("p", { class: "title" }, this.#text("form.faults")), h("ul", {}, faults.map(link)));
    this.form.before(summary);
    summary.focus();
  }

  /** Above the button, read out politely; nothing, if called with nothing. */
  #notify(...nodes) {
    this.form.querySelector(".notice")?.remove();
    if (!nodes.length) return;
    this.form.querySelector("button:not([type=button])").before(h("div", { class: "notice", role: "status" }, nodes));
  }

  async #submit(event) {
    event.preventDefault();
    if (this.sending) return;
    for (const control of this.form.elements) this.#tidy(control);
    const faulty = [...new Map([...this.form.elements].filter((control) => control.name)
      .map((control) => [control.name, this.#fault(control)]))].filter(([, fault]) => fault);
    this.#showFaults(faulty.map(([field, fault]) => ({ field, message: this.#text(fault) })));
    if (faulty.length) return;
    const button = this.form.querySelector("button:not([type=button])");
    this.sending = true;
    button.setAttribute("aria-disabled", "true");
    button.textContent = this.#text("form.sending");
    await this.#send(this.#body());
    this.sending = false;
    button.removeAttribute("aria-disabled");
    button.textContent = this.#text("form.submit");
  }

  async #send(body) {
    body.work = await solve(this.about, body.email);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const send = this.about.work && !body.work ? postPlain : post;
      const { status, seconds, content } = await send(`/v1/campaigns/${this.about.campaign}/signatures`, body);
      if (status === 202) {
        this.#notify();
        this.body = body;
        this.#tell("signed", { country: body.country });
        return this.#checkInbox(body);
      }
      if (content.consent) this.#changeConsent(content);
      // Asked for since the page was loaded, another day's, or made harder.
      if (content.work) {
        this.about.work = content.work;
        body.work = await solve(this.about, body.email);
        continue;
      }
      // A sign that is older than this script, as after a rollback, knows fewer fields; it is sent only those.
      const faults = content.errors?.filter(({ field, code }) => code !== "unknown_field" || !delete body[field]);
      if (faults?.[0]) return this.#showFaults(faults);
      if (faults) continue;
      if (!isBusy(status)) return this.#fail(content.detail ?? this.#text("errors.internal"));
      if (attempt < ATTEMPTS - 1) await this.#wait(pause(attempt + 1, seconds));
    }
    this.#fail(this.#text("sending.gave_up"));
  }

  #changeConsent({ consent, consent_version }) {
    const box = this.form.elements.consent;
    box.checked = false;
    box.closest("label").querySelector("span").textContent = consent;
    this.consentVersion = consent_version;
  }

  #fail(message) {
    this.#notify(h("p", {}, message),
      !OWN && h("p", {}, h("a", { href: this.#hosted }, this.#text("sending.hosted"))));
    this.#tell("failed");
  }

  /** Until the time is up, or somebody does not want to wait. */
  #wait(seconds) {
    return new Promise((resolve) => {
      const left = h("span", { "aria-hidden": "true", class: "soft" });
      const done = () => {
        stop();
        this.#notify();
        resolve();
      };
      const stop = countDown(seconds, (n) => {
        left.textContent = this.#text("sending.next_try", { seconds: n });
      }, done);
      this.#notify(h("p", {}, this.#text("sending.busy"), " ", left),
        h("button", { type: "button", class: "quiet retry", onclick: done }, this.#text("sending.retry")));
    });
  }

  #checkInbox(body) {
    const { about } = this;
    const provider = body.email.split("@").pop().toLowerCase();
    const webmail = about.mailboxes[provider];
    const row = (key, ...value) => h("div", {}, h("dt", {}, this.#text(key)), h("dd", { class: "address" }, value));
    const resend = h("button", { type: "button", class: "quiet resend", "aria-disabled": "true", onclick: () => this.#resend(resend, said, body) });
    const said = h("p", { class: "hint", role: "status" });
    this.#show("check_inbox.title",
      h("p", { class: "lead" }, this.#text("check_inbox.lead")),
      h("dl", {},
        row("check_inbox.sent_to", h("strong", {}, body.email)),
        row("check_inbox.from", about.sender.name, h("div", { class: "soft" }, about.sender.address)),
        row("check_inbox.subject", about.subject)),
      webmail && h("a", { class: "button", href: webmail, target: "_blank", rel: "noreferrer" },
        this.#text("check_inbox.open_mailbox", { provider })),
      h("ol", {}, ["open", "press", "spam"].map((step) => h("li", {}, this.#text(`check_inbox.step_${step}`)))),
      h("h3", {}, this.#text("check_inbox.trouble_heading")),
      h("p", { class: "hint" }, this.#text("check_inbox.resend_hint")), resend, said,
      h("p", { class: "hint" }, this.#text("check_inbox.wrong_hint")),
      h("button", { type: "button", class: "quiet", onclick: () => this.#correct() }, this.#text("check_inbox.wrong")),
      h("p", { class: "after" },
        h("button", { type: "button", class: "inline", onclick: () => this.#share(body.country) }, this.#text("check_inbox.done"))));
    this.#holdBack(resend);
  }

  #holdBack(button) {
    const named = this.#text("check_inbox.resend");
    countDown(RESEND_SECONDS, (n) => {
      button.textContent = this.#text("check_inbox.resend_in", { seconds: n });
    }, () => {
      button.removeAttribute("aria-disabled");
      button.textContent = named;
    });
  }

  async #resend(button, said, { email, locale }) {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    const { status } = await post(`/v1/campaigns/${this.about.campaign}/links`, { email, locale });
    said.textContent = this.#text(status === 202 ? "check_inbox.resent" : "errors.try_again");
    this.#holdBack(button);
  }

  /** The form as it was; consent and newsletter are given again, with the address they are for. */
  #correct() {
    this.body = null;
    for (const control of this.form.querySelectorAll("[type=checkbox], [type=radio]")) control.checked = false;
    this.#reopen();
    this.form.elements.email.focus();
  }

  #share(country) {
    const { services, primary } = this.about.share;
    const url = `${this.#hosted}&source=share`;
    const text = this.#text("share.message");
    const filled = { url: encodeURIComponent(url), text: encodeURIComponent(text) };
    const link = (name, style) =>
      h("a", { class: `button ${style}`, href: fill(services[name], filled), target: "_blank", rel: "noreferrer" },
        this.#text("share.with", { service: name }));
    const first = primary[country] ?? "WhatsApp";
    const others = Object.keys(services).filter((name) => name !== first);
    const body = encodeURIComponent(`${text}\n\n${url}`);
    const mail = `mailto:?subject=${encodeURIComponent(this.about.title)}&body=${body}`;
    this.#show("share.heading",
      h("p", {}, this.#text("share.lead")),
      h("p", {}, h("a", { id: "share-link", class: "address", href: url }, url)),
      h("button", { type: "button", hidden: true, "data-share": url, "data-text": text }, this.#text("share.native")),
      link(first, "primary"),
      h("button", { type: "button", class: "quiet", hidden: true, "data-copy": "share-link", "data-done": this.#text("share.copied") },
        this.#text("share.copy")),
      h("details", { class: "more" }, h("summary", {}, this.#text("share.more")),
        others.map((name) => link(name, "quiet")),
        h("a", { class: "button quiet", href: mail }, this.#text("share.mail"))));
    this.#tell("sharing");
  }
}

/** Calls `each` with the seconds left, then `end`; returns what stops it. */
const countDown = (seconds, each, end) => {
  const until = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) return each(left);
    clearInterval(timer);
    end();
  };
  const timer = setInterval(tick, 1000);
  each(Math.ceil(seconds));
  return () => clearInterval(timer);
};

/** The domain of `mailboxes` that `typed` is surely a slip of: shared/reference/mail_providers.py says why by these rules. */
export const meantDomain = (typed, { mailboxes, lookalikes }) => {
  if (typed in mailboxes || lookalikes.includes(typed)) return null;
  const [name, ending] = atDot(typed);
  return Object.keys(mailboxes).find((domain) => {
    const [itsName, itsEnding] = atDot(domain);
    if (name === itsName) return isEndingSlip(ending, itsEnding, name.length);
    const letters = ending === itsEnding && LETTERS[slip(name, itsName)];
    return letters && itsName.length >= (ending === ".com" ? 5 : letters);
  });
};
const atDot = (domain) => domain.split(/(?=\.)(.*)/);
/** How many letters a name has in which such a slip is sure to be one. */
const LETTERS = { swapped: 5, doubled: 5, lost: 6, neighbour: 7 };
const isEndingSlip = (typed, meant, letters) => {
  const kind = slip(typed, meant);
  if (kind === "lost") return meant === ".com" && letters > 4;
  return (kind === "swapped" || (kind && typed.length > 3)) && ![".se", ".gb", ".bet"].includes(typed);
};
/** The one slip by which `typed` comes of `meant`, if it is one; never in the first letter, but for a swap. */
const slip = (typed, meant) => {
  let at = 0;
  while (typed[at] && typed[at] === meant[at]) at++;
  const [was, is] = [typed.slice(at), meant.slice(at)];
  if (was === is[1] + is[0] + is.slice(2)) return "swapped";
  if (!at) return null;
  if (was.slice(1) === is) return was[0] === typed[at - 1] && "doubled";
  if (was === is.slice(1)) return "lost";
  return was.slice(1) === is.slice(1) && isNeighbour(was[0], is[0]) && "neighbour";
};
/** A key is 10 and 11 before those below it. */
const KEYS = "qwertyuiop.asdfghjkl..zxcvbnm";
const isNeighbour = (a, b) => [1, 10, 11].includes(Math.abs(KEYS.indexOf(a) - KEYS.indexOf(b)));

class Counter extends Petition {
  #failures = 0;
  #shown = 0;

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.#seen);
    if (this.about) this.timer = setTimeout(() => this.#refresh(), 1000);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.#seen);
    clearTimeout(this.timer);
  }

  attributeChangedCallback(name) {
    super.attributeChangedCallback();
    if (name === "goal" && this.count) this.#update();
  }

  display(about) {
    if (this.about?.campaign !== about.campaign) this.count = null;
    this.about = about;
    this.number = null;
    if (this.count) this.#update();
    if (this.isConnected) this.#refresh();
  }

  #seen = () => {
    if (document.hidden || !this.about) return;
    this.#failures = 0;
    this.#refresh();
  };

  async #refresh() {
    clearTimeout(this.timer);
    const { status, content } = await ask(`${ORIGIN}/v1/campaigns/${this.about.campaign}/count`);
    this.#failures = status === 200 && !document.hidden ? 0 : this.#failures + 1;
    if (content.campaign === this.about.campaign) this.#take(content);
    if (!this.isConnected) return;
    const seconds = Math.min(MAX_REFRESH_SECONDS, REFRESH_SECONDS * 2 ** this.#failures);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), seconds * (800 + Math.random() * 400));
  }

  /** Caches answer with copies of different ages: an older one than what is shown says nothing new. */
  #take(count) {
    if (this.count && count.as_of <= this.count.as_of) return;
    this.count = count;
    const goal = this.#update();
    this.dispatchEvent(new CustomEvent("undersign:count", {
      bubbles: true, composed: true, detail: { campaign: count.campaign, total: count.total, goal },
    }));
  }

  #update() {
    if (!this.number) this.#draw();
    const { about: { texts, language }, count } = this;
    const wanted = Number(this.getAttribute("goal"));
    const closed = count.closed_reason === "campaign_closed";
    const goal = wanted > 0 ? wanted : closed ? count.goal : count.next_goal;
    const format = new Intl.NumberFormat(language);
    const reached = count.total >= goal;
    this.track.hidden = closed;
    this.goal.hidden = closed && !reached;
    this.goal.textContent = fill(texts[reached ? "counter.reached" : "counter.next_goal"], { goal: format.format(goal) });
    this.track.setAttribute("aria-valuemax", goal);
    this.track.setAttribute("aria-valuenow", Math.min(goal, count.total));
    this.bar.style.width = `${Math.min(100, (100 * count.total) / goal)}%`;
    this.#rise(count.total, format);
    return goal;
  }

  #draw() {
    this.number = h("strong", { class: "number" });
    this.before = h("span");
    this.after = h("span");
    this.bar = h("div", { class: "bar" });
    this.track = h("div", {
      class: "track", role: "progressbar", "aria-label": this.about.texts["counter.progress"], "aria-valuemin": 0,
    }, this.bar);
    this.goal = h("p", { class: "goal" });
    shadow(this).append(h("p", { class: "counted" }, this.before, this.number, this.after), this.track, this.goal);
  }

  #rise(total, format) {
    const from = this.#shown || Math.min(1, total);
    this.#shown = total;
    const begun = performance.now();
    const quick = document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      if (this.#shown !== total) return;
      const part = quick ? 1 : Math.min(1, Math.max(0, now - begun) / 800);
      this.#write(Math.round(from + (total - from) * (1 - (1 - part) ** 3)), format);
      if (part < 1) requestAnimationFrame(step);
    };
    step(begun);
  }

  #write(number, format) {
    const { texts, language } = this.about;
    const form = new Intl.PluralRules(language).select(number);
    const signed = texts[`counter.signed.${form}`] ?? texts["counter.signed.other"];
    const [before, after] = number ? signed.split("{number}") : ["", ""];
    this.before.textContent = before;
    this.number.textContent = number ? format.format(number) : this.count.closed_reason ? "" : texts["counter.first"];
    this.after.textContent = after;
  }
}

customElements.get("undersign-form") || customElements.define("undersign-form", Form);
customElements.get("undersign-counter") || customElements.define("undersign-counter", Counter);

/** Offers the page in the language that the browser would rather read, in one line, in that language. */
const offerLanguage = () => {
  const links = [...document.querySelectorAll(".languages a")];
  const readable = navigator.languages.map((tag) => links.find(({ lang }) => lang === tag.split("-")[0].toLowerCase()));
  const link = readable.find(Boolean);
  if (!link?.dataset.offer) return;
  const offer = h("a", { href: link.href, hreflang: link.lang }, link.dataset.offer);
  link.closest("details").after(h("nav", { class: "top", lang: link.lang, "aria-label": link.dataset.offer }, offer));
};

/** Carries a link's source into the form and other languages; in the page itself, caches would keep a copy for each. */
const carrySource = () => {
  const source = link.get("source");
  if (!source) return;
  document.querySelector("undersign-form form")?.append(h("input", { type: "hidden", name: "source", value: source }));
  for (const link of document.querySelectorAll(".languages a")) link.search += `&source=${source}`;
};

if (OWN) {
  carrySource();
  offerLanguage();
  // So that a reload after a plain form does not send it again.
  const form = document.querySelector("[data-form]")?.dataset.form;
  if (form) history.replaceState(history.state, "", form);
  enliven(document);
  const parents = document.documentElement.dataset.framedBy?.split(" ") ?? [];
  if (parents.length && parent !== window) {
    const tell = () => {
      const height = document.documentElement.getBoundingClientRect().height;
      const known = location.ancestorOrigins?.[0];
      for (const origin of parents) {
        if (!known || known === origin) parent.postMessage({ undersign: "height", height: Math.ceil(height) }, origin);
      }
    };
    new ResizeObserver(tell).observe(document.documentElement);
    addEventListener("message", ({ origin, data }) => {
      if (!parents.includes(origin)) return;
      if (data?.undersign === "link") takeLink(data.link);
      if (data?.undersign === "height") tell();
    });
  }
} else {
  addEventListener("message", ({ origin, data, source }) => {
    if (origin !== ORIGIN || data?.undersign !== "height" || !(data.height > 0)) return;
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow !== source) continue;
      frame.style.height = `${data.height}px`;
      source.postMessage({ undersign: "link", link: `${link}` }, ORIGIN);
    }
  });
  // For those that reported before anybody listened.
  askFrames();
}
