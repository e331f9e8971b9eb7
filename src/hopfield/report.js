// Rows of tables are chosen by the values of some columns, and by text.
for (const table of document.querySelectorAll("table.filtered")) {
  const rows = [...table.tBodies[0].rows];
  const value = (row, column) => row.cells[column].textContent;
  const picks = [...table.querySelectorAll("th[data-filter]")].map((head) => {
    const pick = document.createElement("select");
    const values = new Set(rows.map((row) => value(row, head.cellIndex)));
    pick.append(new Option(`${head.textContent}: all`, ""));
    for (const one of values) pick.append(new Option(`${head.textContent}: ${one}`, one));
    pick.setAttribute("aria-label", head.textContent);
    return { pick, column: head.cellIndex };
  });
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "search";
  search.setAttribute("aria-label", "search");
  const count = document.createElement("output");
  const choose = () => {
    const text = search.value.toLowerCase();
    for (const row of rows) {
      row.hidden =
        !row.textContent.toLowerCase().includes(text) ||
        picks.some(({ pick, column }) => pick.value && pick.value !== value(row, column));
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  const bar = document.createElement("div");
  bar.className = "filters";
  bar.append(...picks.map(({ pick }) => pick), search, count);
  bar.addEventListener("input", choose);
  table.parentElement.before(bar);
  choose();
}

// What a link leads to is unfolded.
const unfold = () => {
  const detail = document.getElementById(location.hash.slice(1));
  if (detail?.tagName === "DETAILS") {
    detail.open = true;
    detail.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
