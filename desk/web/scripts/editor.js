// Shows the preview again while somebody writes. Without this script, a button does.
const form = document.querySelector("form.editor");
const PAUSE = 700; // milliseconds without a key pressed
let timer;
let shown = 0;

// A frame's first page adds nothing to the browser's history. The old one stays in sight until the new one is there.
function refresh(frame) {
  if (!frame.checkVisibility()) return;
  const fresh = frame.cloneNode();
  fresh.removeAttribute("src");
  fresh.name = `preview-${shown++}`;
  fresh.addEventListener("load", () => {
    if (fresh.contentDocument.URL === "about:blank") return;
    fresh.contentWindow.scrollTo(0, frame.contentWindow?.scrollY ?? 0);
    while (fresh.nextSibling) fresh.nextSibling.remove();
  });
  frame.before(fresh);
  form.target = fresh.name;
  form.submit();
}

function show() {
  const action = form.action;
  const files = [...form.querySelectorAll("[type=file]:enabled")];
  for (const file of files) file.disabled = true; // which no preview needs
  form.action = form.dataset.preview;
  for (const frame of document.querySelectorAll(".screen > :first-child")) refresh(frame);
  form.action = action;
  form.removeAttribute("target");
  for (const file of files) file.disabled = false;
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(show, PAUSE);
});
for (const button of form.elements) {
  if (!button.formTarget) continue;
  button.addEventListener("click", (event) => {
    event.preventDefault();
    show();
  });
}
if (document.querySelector(".faults")) show(); // what was written is not what was saved
for (const details of document.querySelectorAll("details:has(iframe)")) details.addEventListener("toggle", show);
