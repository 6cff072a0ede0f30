"use strict";
(() => {
  const PAGE = 500;
  const { outcomes, cases, rows, written } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filter");
  const table = document.getElementById("results");
  const said = document.getElementById("shown");
  const more = document.getElementById("more");
  const sections = rows.map((row) => row[5] && document.getElementById(row[5]));
  const cards = cases.map((one) => one[6] && document.getElementById(one[6]));
  let matching = rows.map((_, n) => n);
  let limit = PAGE;
  let whole = rows.length > written; // the written table does not hold every row

  // Text only ever becomes text: no string of a product is parsed as markup.
  const make = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const verdict = (n) =>
    make("span", { class: `v v-${outcomes[n][0]}` },
      make("span", { class: "sign", "aria-hidden": "true" }, outcomes[n][1]), outcomes[n][0].replaceAll("_", " "));
  const link = (anchor, text, label) => (anchor ? make("a", { href: `#${anchor}`, "aria-label": label }, text) : text);

  const group = ([, spec, id, title, , , anchor, outcome]) =>
    make("tr", { class: "group", role: "row" },
      make("th", { role: "rowheader", colspan: "4", scope: "rowgroup" },
        make("span", { class: "name" }, link(anchor, id, id), verdict(outcome)),
        make("span", { class: "small soft thin" }, `${spec} ${title}`)));
  const line = ([number, variant, outcome, reason, seconds, anchor, waiver]) =>
    make("tr", { role: "row" },
      make("td", { role: "cell" }, link(anchor, variant, `${cases[number][2]} variant ${variant}`)),
      make("td", { role: "cell" }, verdict(outcome)),
      make("td", { role: "cell", class: "wide" }, reason, ...(waiver ? [make("span", { class: "waiver" }, waiver)] : [])),
      make("td", { role: "cell", class: "n" }, seconds, ...(seconds ? [make("span", { class: "soft" }, " s")] : [])));

  const draw = () => {
    const bodies = [];
    let last = -1;
    for (const n of matching.slice(0, limit)) {
      const row = rows[n];
      if (row[0] !== last) bodies.push(make("tbody", { role: "rowgroup" }, group(cases[(last = row[0])])));
      bodies.at(-1).append(line(row));
    }
    table.replaceChildren(table.tHead, ...bodies);
    more.hidden = matching.length <= limit;
    more.textContent = `Show ${Math.min(PAGE, matching.length - limit)} more of ${matching.length}`;
  };

  const filter = () => {
    const asked = new FormData(form);
    const [verdicts, severities] = ["verdict", "severity"].map((name) => new Set(asked.getAll(name)));
    const [spec, face, text] = ["spec", "interface", "text"].map((name) => (asked.get(name) ?? "").trim().toLowerCase());
    const active = verdicts.size || severities.size || spec || face || text;
    matching = [];
    rows.forEach((row, n) => {
      const one = cases[row[0]];
      if ((!verdicts.size || verdicts.has(outcomes[row[2]][0])) && (!severities.size || severities.has(one[4]))
        && (!spec || one[0] === spec) && (!face || one[5].includes(face))
        && (!text || `${one[2]} ${one[3]} ${row[1]} ${row[3]}`.toLowerCase().includes(text))) matching.push(n);
    });
    const kept = new Set(matching);
    const open = new Set(matching.map((n) => rows[n][0]));
    sections.forEach((section, n) => { if (section) section.hidden = !kept.has(n); });
    cards.forEach((card, n) => { if (card) card.hidden = !open.has(n); });
    const counted = outcomes.map(([name], k) => [name, matching.filter((n) => rows[n][2] === k).length]);
    const split = counted.filter(([, count]) => count).map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`);
    said.textContent = active
      ? `Filtered: ${matching.length} of ${rows.length} variants are shown${split.length ? `: ${split.join(", ")}` : ""}.`
      : `All ${rows.length} variants are shown.`;
    said.classList.toggle("filtered", Boolean(active));
    whole = whole || Boolean(active);
    limit = PAGE;
    if (whole) draw();
    return [...asked].filter(([, value]) => value.trim());
  };

  const remember = () => {
    const state = new URLSearchParams(filter()).toString();
    history.replaceState(null, "", state ? `#?${state}` : "#");
  };
  const recall = () => {
    const hash = location.hash;
    if (hash.startsWith("#?")) {
      const state = new URLSearchParams(hash.slice(2));
      for (const field of form.elements) {
        if (field.type === "checkbox") field.checked = state.getAll(field.name).includes(field.value);
        else if (field.name) field.value = state.get(field.name) ?? "";
        if (field.selectedIndex === -1) field.selectedIndex = 0; // an address may name what is not here
      }
      filter();
    } else {
      const target = hash.length > 1 && document.getElementById(hash.slice(1));
      if (target && target.closest("[hidden]")) {
        form.reset();
        filter();
        target.scrollIntoView();
      }
    }
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", remember);
  form.addEventListener("reset", () => setTimeout(remember));
  more.addEventListener("click", () => {
    const first = limit;
    limit += PAGE;
    draw();
    const next = table.querySelectorAll("tbody tr:not(.group)")[first];
    next.tabIndex = -1;
    next.focus();
  });
  addEventListener("hashchange", recall);
  addEventListener("beforeprint", () => { limit = Math.max(limit, 10 * PAGE); if (whole) draw(); });
  for (const button of document.querySelectorAll("button[data-verdict]")) {
    button.addEventListener("click", () => {
      form.reset();
      for (const box of form.elements) if (box.value === button.dataset.verdict) box.checked = true;
      remember();
      form.scrollIntoView();
    });
  }
  form.hidden = false;
  filter();
  recall();
})();
