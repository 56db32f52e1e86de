"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const order = new Intl.Collator("en", { numeric: false }).compare;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [a, b].map((row) => row.cells[column].textContent.trim());
        const [p, q] = [x, y].map((text) => Number(text.replace(/,/g, "")));
        const difference = Number.isNaN(p) || Number.isNaN(q) ? order(x, y) : p - q;
        return down ? -difference : difference;
      });
      body.append(...rows);
    });
  });
}
