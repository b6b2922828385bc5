/**
 * Fits the snippet page's snippets to what a partner chooses, and shows the chosen one on a light and on a dark page.
 *
 * Each snippet stands in a <template>: a copy of it is changed, written out to be copied, and put into the previews,
 * which are inert, so that nothing can be signed there. Markup is never parsed, and styles are set as properties: the
 * page's Content-Security-Policy needs no exception.
 */

const form = document.querySelector(".builder > form");
const { elements } = form;
const sections = [...document.querySelectorAll(".built > section")];
const frames = [...document.querySelectorAll(".previews iframe")];
const previews = document.querySelector(".previews");
const page = form.dataset.language;

/** WCAG 2.2, 1.4.3, as for a campaign's own colour in shared/campaigns/accent.py. */
const MIN_CONTRAST = 4.5;
/** What the widget has where no property is set, and what it needs on a dark surface. */
const LIGHT = {
  accent: "#2a3fb0", "on-accent": "#ffffff", surface: "#ffffff", ink: "#171a26", soft: "#4a5064", line: "#6f768b", error: "#b3171d",
};
const DARK = { ink: "#edeff6", soft: "#b6bccd", line: "#8a92a8", error: "#ffa19c" };

/** Relative luminance (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance) of #rrggbb. */
const luminance = (colour) => {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
};

/** The colours of the form, from the two that are chosen: whatever they are, text on them can be read. */
const colours = () => {
  const accent = elements.accent.value;
  const surface = elements.surface.value;
  const texts = contrast(DARK.ink, surface) > contrast(LIGHT.ink, surface) ? DARK : LIGHT;
  const readable = (colour) => (contrast(colour, surface) < MIN_CONTRAST ? texts.ink : colour);
  return {
    accent,
    "on-accent": contrast(accent, "#ffffff") < MIN_CONTRAST ? "#000000" : "#ffffff",
    surface,
    ink: texts.ink,
    soft: readable(texts.soft),
    line: texts.line,
    error: readable(texts.error),
  };
};

/** The properties of each element that differ from the widget's own. The counter stands on the page, not on the form. */
const properties = () => {
  const changed = Object.entries(colours()).filter(([name, colour]) => colour !== LIGHT[name]);
  return {
    "undersign-counter": changed.filter(([name]) => name === "accent"),
    "undersign-form": changed,
  };
};

const withLanguage = (address, language) =>
  language ? address.replace(`lang=${page}`, `lang=${language}`) : address.replace(/lang=\w+&|\?lang=\w+$/, "");

/** A copy of a snippet's template in the chosen language, without what is not wanted. */
const chosen = (template, kind) => {
  const copy = template.cloneNode(true);
  const find = (selector) => copy.content.querySelectorAll(selector);
  const language = kind === "plain" ? page : elements.language.value;
  const texts = elements.language.querySelector(`[value="${language || page}"]`).dataset;
  if (kind === "script" && !(elements.plain.checked && !elements.plain.disabled)) find("form").forEach((plain) => plain.remove());
  for (const element of find("[lang]")) {
    if (language) element.lang = language;
    else element.removeAttribute("lang");
  }
  for (const element of find("a")) element.setAttribute("href", withLanguage(element.getAttribute("href"), language));
  for (const element of find("iframe, img")) element.setAttribute("src", withLanguage(element.getAttribute("src"), language));
  for (const element of find("iframe")) element.title = texts.title;
  for (const element of find("img")) showBadge(element, texts.title);
  for (const element of find("undersign-form > p > a")) element.textContent = texts.hosted;
  for (const element of find("[data-style]")) {
    const { accent, "on-accent": onAccent } = colours();
    element.textContent = texts.sign;
    element.dataset.style = element.dataset.style.replace("color: #fff", `color: ${onAccent}`).replace("#2a3fb0", accent);
  }
  return copy;
};

const showBadge = (image, title) => {
  image.alt = title;
  const isLight = elements.theme.value === "light";
  const isCompact = elements.compact.checked;
  image.setAttribute("src", image.getAttribute("src") + (isLight ? "&theme=light" : "") + (isCompact ? "&size=compact" : ""));
  if (isCompact) image.height = 24;
};

/** The snippet as text, below a style where its colours are not the widget's own. */
const written = (copy) => {
  const rules = Object.entries(properties())
    .filter(([element, changed]) => changed.length && copy.content.querySelector(element))
    .map(([element, changed]) =>
      `  ${element} { ${changed.map(([name, colour]) => `--undersign-${name}: ${colour}`).join("; ")} }\n`);
  const html = copy.innerHTML.replace(/ (required|data-ot-ignore)=""/g, " $1").replace(" data-style=", " style=").replace(/\n+/g, "\n").trim();
  return (rules.length ? `<style>\n${rules.join("")}</style>\n` : "") + html;
};

/** What each frame shows, as text: a change of colour alone does not load it again. */
const shown = new Map();
const preview = (frame, copy) => {
  const { contentDocument } = frame;
  if (shown.get(frame) !== copy.innerHTML) {
    const nodes = contentDocument.importNode(copy.content, true);
    nodes.querySelectorAll("script").forEach((script) => script.remove());
    nodes.querySelectorAll("[data-style]").forEach(({ style, dataset }) => (style.cssText = dataset.style));
    contentDocument.body.replaceChildren(nodes);
    shown.set(frame, copy.innerHTML);
  }
  for (const [element, changed] of Object.entries(properties())) {
    for (const { style } of contentDocument.querySelectorAll(element)) {
      style.cssText = "";
      for (const [name, colour] of changed) style.setProperty(`--undersign-${name}`, colour);
    }
  }
};

const warn = () => {
  const { accent, surface, ink } = colours();
  const ratio = Math.min(contrast(accent, surface), contrast(ink, surface));
  const number = new Intl.NumberFormat(page, { maximumFractionDigits: 1, roundingMode: "floor" }).format(ratio);
  const warning = document.querySelector("#contrast");
  const text = ratio < MIN_CONTRAST ? warning.dataset.text.replace("{ratio}", number) : "";
  if (warning.textContent !== text) warning.textContent = text;
};

const update = () => {
  const kind = elements.kind.value;
  const isWidget = ["script", "counter"].includes(kind);
  const ofPage = elements.language.querySelector("[value='']");
  ofPage.disabled = !isWidget;
  if (ofPage.disabled && ofPage.selected) elements.language.value = page;
  elements.plain.disabled = !["", page].includes(elements.language.value);
  for (const field of form.querySelectorAll("[data-kinds]")) field.hidden = !field.dataset.kinds.split(" ").includes(kind);
  for (const section of sections) section.hidden = section.dataset.kind !== kind;
  const section = sections.find((each) => !each.hidden);
  for (const snippet of section.querySelectorAll(".snippet")) {
    snippet.querySelector("code").textContent = written(chosen(snippet.querySelector("template"), kind));
  }
  const copy = chosen(section.querySelector("template"), kind);
  frames.filter(isLoaded).forEach((frame) => preview(frame, copy));
  warn();
};

const isLoaded = ({ contentDocument }) =>
  contentDocument.URL === "about:srcdoc" && contentDocument.readyState === "complete";
/** Makes the frame's document look like a page of a website. */
const dress = (frame) => {
  const { documentElement: root, body } = frame.contentDocument;
  const [background, color, colorScheme] = frame.dataset.colours.split(" ");
  Object.assign(root.style, { colorScheme, background, color });
  Object.assign(body.style, { margin: "0", padding: "1rem", font: "1rem/1.5 system-ui, sans-serif" });
  new ResizeObserver(() => (frame.style.height = `${root.offsetHeight + 2}px`)).observe(root);
  shown.delete(frame);
};

for (const frame of frames) {
  frame.addEventListener("load", () => {
    dress(frame);
    update();
  });
}
form.hidden = false;
previews.hidden = false;
form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
frames.filter(isLoaded).forEach(dress);
update();
