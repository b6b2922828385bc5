// Reads a page again every so often, and puts its newest state in the place of what is shown, without moving the
// focus. A page asks for it with data-refresh="seconds" on a part of it, and works without: it has a link that does
// the same once. It does nothing while the focus is in that part, or nobody looks.
let part = document.querySelector("[data-refresh]");

async function refresh() {
  if (!document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href);
      if (answer.status >= 500) throw new Error("not available at the moment");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-refresh]");
      if (!next) return location.reload(); // it has ended, or failed, of which the whole page tells
      next.remove();
      part.replaceWith(next);
      part = next;
    } catch {
      // The desk was closed, or is busy: what is shown stays.
    }
  }
  schedule();
}

function schedule() {
  setTimeout(refresh, 1000 * part.dataset.refresh);
}

if (part) schedule();
