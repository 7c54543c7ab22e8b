"use strict";
const all = (what) => [...document.querySelectorAll(what)];
const make = (tag, text, more) => Object.assign(document.createElement(tag), { textContent: text }, more);

// Search: every word must occur in a section; sections whose heading has them come first.
const box = document.getElementById("search"), found = document.getElementById("found");
const sections = (window.COURSE || []).flatMap(({ name, about }) => about.sections.map(([id, heading, text]) => {
  const head = heading ? about.title + " › " + heading : about.title, first = head.toLowerCase();
  return { head, text, first, low: first + " " + text.toLowerCase(), address: name + ".html#" + encodeURIComponent(id) };
}));
function hit({ head, text, address }, words) {
  const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 60), item = make("li", "");
  item.append(make("a", head, { href: address }), make("p", "… " + text.slice(at, at + 180) + " …"));
  return item;
}
function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = (s) => words.filter((w) => s.first.includes(w)).length;
  const hits = sections.filter((s) => words.every((w) => s.low.includes(w))).sort((a, b) => rank(b) - rank(a));
  const count = hits.length + (hits.length === 1 ? " section" : " sections") + (hits.length > 30 ? ", the first 30:" : "");
  found.hidden = !words.length;
  found.replaceChildren(make("p", count, { role: "status" }), make("ul", ""));
  found.lastChild.append(...hits.slice(0, 30).map((s) => hit(s, words)));
}
box.addEventListener("input", search);
box.addEventListener("keydown", (key) => { if (key.key === "Escape") { box.value = ""; search(); } });
found.addEventListener("click", (click) => { if (click.target.href) found.hidden = true; });

// Filter of the verdicts.
const form = document.getElementById("filter");
if (form) {
  const rows = all(".verdicts tbody tr"), choices = all("#filter select");
  const show = () => {
    rows.forEach((row) => { row.hidden = !choices.every((c) => !c.value || row.dataset[c.dataset.key] === c.value); });
    form.querySelector("[role=status]").textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length;
  };
  choices.forEach((c) => {
    const values = [...new Set(rows.map((row) => row.dataset[c.dataset.key]))];
    c.append(new Option("all", ""), ...values.map((v) => new Option(v)));
    c.addEventListener("change", show);
  });
  form.hidden = false;
  show();
}

// Code that folds; what is asked for or printed is unfolded.
const codes = all("details.code"), fold = document.getElementById("fold");
if (fold && codes.length) {
  fold.hidden = false;
  fold.addEventListener("click", () => {
    const open = !codes.some((c) => c.open);
    codes.forEach((c) => { c.open = open; });
    fold.textContent = open ? "Fold all code" : "Unfold all code";
  });
}
addEventListener("beforeprint", () => all("details").forEach((d) => { d.open = true; }));
if (innerWidth < 960) all(".toc details").forEach((d) => { d.open = false; });
// What scrolls sideways can be reached by the keyboard.
const reach = () => all("pre,.prose,.output_area,.wide,.display")
  .filter((e) => e.scrollWidth > e.clientWidth + 1).forEach((e) => { e.tabIndex = 0; });
["resize", "toggle"].forEach((what) => addEventListener(what, reach, true));
reach();
