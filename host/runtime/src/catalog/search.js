"use strict";
// Hides the streams that do not have every typed word; without this script the form asks the server.
const search = document.getElementById("search");
const count = document.getElementById("count");
if (search && count) {
  const streams = Array.from(document.querySelectorAll("[data-search]"));
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const stream of streams) {
      stream.hidden = !words.every((word) => stream.dataset.search.includes(word));
      if (!stream.hidden) shown += 1;
    }
    count.textContent = String(shown);
  });
}
