"use strict";
const byId = (id) => document.getElementById(id);
const percent = (share) =>
  share < 1 && share >= 0.9995 ? "over 99.9 %" : `${(100 * share).toFixed(1)} %`;
const WARNINGS = {
  low_confidence: "Low confidence: predictions with so low a probability are often wrong.",
  out_of_distribution: "Out of distribution: no training image is similar to this one. Do not rely on the prediction.",
};

function showStatus(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

function classItem({ class_name: name, probability }) {
  const item = document.createElement("li");
  const meter = document.createElement("meter");
  meter.value = probability;
  meter.setAttribute("aria-label", `probability of ${name}`);
  item.append(`${name}: ${percent(probability)}`, meter);
  return item;
}

function neighborItem({ class_name: name, distance, image: url }) {
  const item = document.createElement("li");
  if (url) {
    const image = new Image();
    image.src = url;
    image.alt = `Training image of class ${name}`;
    item.append(image);
  }
  item.append(`${name}, distance ${distance.toFixed(2)}`);
  return item;
}

function predictionArticle(file, prediction) {
  const copy = byId("prediction").content.cloneNode(true);
  const find = (selector) => copy.querySelector(selector);
  const warn = (text) => {
    find(".warning").textContent = text;
    find(".warning").hidden = false;
  };
  const upload = find(".upload img");
  upload.src = URL.createObjectURL(file);
  upload.alt = `The image ${file.name}`;
  upload.onerror = () => upload.remove();
  find(".upload figcaption").textContent = file.name;
  if (prediction.reason) {
    find("h2").textContent = "Unreadable image";
    warn(prediction.reason);
    return copy;
  }
  find("h2").textContent = `${prediction.class_name}, ${percent(prediction.probability)}`;
  if (prediction.flag) warn(WARNINGS[prediction.flag]);
  find(".classes").append(...prediction.classes.map(classItem));
  find(".explanation img").src = prediction.explanation;
  find(".explanation img").alt = `Grad-CAM of class ${prediction.class_name}`;
  find(".explanation").hidden = false;
  find(".nearest ul").append(...prediction.nearest.map(neighborItem));
  find(".nearest").hidden = false;
  return copy;
}

async function predict(file) {
  const form = new FormData();
  form.append("images", file, file.name);
  const response = await fetch("predict?explain=true", { method: "POST", body: form });
  const content = await response.json();
  if (content.predictions) return content.predictions[0];
  throw new Error(`${file.name}: ${content.detail || response.statusText}`);
}

async function predictAll(files) {
  const images = [...files];
  const errors = [];
  for (const [index, file] of images.entries()) {
    showStatus(`Image ${index + 1} of ${images.length} …`);
    try {
      byId("predictions").prepend(predictionArticle(file, await predict(file)));
    } catch (error) {
      errors.push(error instanceof TypeError ? `${file.name}: the server does not respond` : error.message);
    }
  }
  const done = images.length === 1 ? "1 image done." : `${images.length} images done.`;
  showStatus(errors.length ? errors.join("; ") : done, errors.length > 0);
}

for (const id of ["files", "camera"]) {
  byId(id).addEventListener("change", (event) => {
    predictAll(event.target.files).finally(() => { event.target.value = ""; });
  });
}
byId("drop").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  if (event.dataTransfer.files.length) predictAll(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) predictAll(event.clipboardData.files);
});
fetch("health").then((response) => response.json()).then(({ classes }) => {
  byId("count").textContent = classes.length;
  byId("classes").textContent = classes.slice(0, 30).join(", ") + (classes.length > 30 ? ", …" : "");
});
