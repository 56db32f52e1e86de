"use strict";
const byId = (id) => document.getElementById(id);
const percent = (share) =>
  share < 1 && share >= 0.9995 ? "over 99.9 %" : `${(100 * share).toFixed(1)} %`;
const DOUBTS = {
  unsure: "Unsure: with so little confidence it is wrong too often to be believed.",
  stranger: "A stranger: no training image is like this one. Do not believe the answer.",
};

function say(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

function likely(one) {
  const item = document.createElement("li");
  const meter = document.createElement("meter");
  meter.value = one.probability;
  meter.setAttribute("aria-label", `probability of ${one.class_name}`);
  item.append(`${one.class_name}: ${percent(one.probability)}`, meter);
  return item;
}

function near(one) {
  const item = document.createElement("li");
  if (one.image) {
    const image = new Image();
    image.src = one.image;
    image.alt = `A training image of ${one.class_name}`;
    item.append(image);
  }
  item.append(`${one.class_name}, distance ${one.distance.toFixed(2)}`);
  return item;
}

function article(file, one) {
  const copy = byId("answer").content.cloneNode(true);
  const find = (selector) => copy.querySelector(selector);
  const seen = find(".seen img");
  seen.src = URL.createObjectURL(file);
  seen.alt = `The image ${file.name}`;
  seen.onerror = () => seen.remove();
  find(".seen figcaption").textContent = file.name;
  if (one.reason) {
    find("h2").textContent = "Not readable";
    find(".doubt").textContent = one.reason;
    find(".doubt").hidden = false;
    return copy;
  }
  find("h2").textContent = `${one.class_name}, ${percent(one.probability)}`;
  if (one.doubt) {
    find(".doubt").textContent = DOUBTS[one.doubt];
    find(".doubt").hidden = false;
  }
  find(".likely").append(...one.classes.map(likely));
  find(".explained img").src = one.explanation;
  find(".explained img").alt = `Where the network found ${one.class_name}`;
  find(".explained").hidden = false;
  find(".near ul").append(...one.nearest.map(near));
  find(".near").hidden = false;
  return copy;
}

async function ask(file) {
  const form = new FormData();
  form.append("images", file, file.name);
  const answer = await fetch("predict?explain=true", { method: "POST", body: form });
  const content = await answer.json();
  if (content.answers) return content.answers[0];
  throw new Error(`${file.name}: ${content.detail || answer.statusText}`);
}

async function show(files) {
  const images = [...files];
  const lost = [];
  for (const [number, file] of images.entries()) {
    say(`Looking at image ${number + 1} of ${images.length} …`);
    try {
      byId("answers").prepend(article(file, await ask(file)));
    } catch (error) {
      lost.push(error instanceof TypeError ? "the server does not answer" : error.message);
    }
  }
  say(lost.length ? lost.join("; ") : `${images.length} looked at.`, lost.length > 0);
}

for (const id of ["files", "camera"]) {
  byId(id).addEventListener("change", (event) => {
    show(event.target.files).finally(() => { event.target.value = ""; });
  });
}
byId("drop").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  if (event.dataTransfer.files.length) show(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) show(event.clipboardData.files);
});
fetch("health").then((answer) => answer.json()).then((about) => {
  byId("count").textContent = about.classes.length;
  byId("classes").textContent = about.classes.slice(0, 30).join(", ") + (about.classes.length > 30 ? ", …" : "");
});
