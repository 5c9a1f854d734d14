"use strict";
// A link to a table opens it; for print everything is open.
const open = () => {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found instanceof HTMLDetailsElement) {
    found.open = true;
    found.querySelector("summary").focus({ preventScroll: true });
    found.scrollIntoView();
  }
};
addEventListener("hashchange", open);
addEventListener("DOMContentLoaded", open);
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#table-']");
  // The same link twice changes no address.
  if (link && link.getAttribute("href") === location.hash) open();
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));

// References of the table under the pointer, or of the one that has the focus, stand out.
const light = (event) => {
  const node = event.target.closest?.(".schema a");
  document.querySelectorAll(".schema .edge").forEach((edge) => {
    const table = node?.dataset.table;
    edge.classList.toggle("lit", table !== undefined && [edge.dataset.child, edge.dataset.parent].includes(table));
  });
};
addEventListener("pointerover", light);
addEventListener("focusin", light);
