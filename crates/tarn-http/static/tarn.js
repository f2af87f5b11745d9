// What is nicer with a script. Every page works without it.
"use strict";

// A button beside each text that is there to be copied.
for (const block of document.querySelectorAll(".copy")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.append(button);
}

// A day within the last 24 hours says how long ago it was; its title has the time. Times to come are written without a title.
const ago = (root) => {
  for (const time of root.querySelectorAll("time[title]")) {
    const minutes = Math.floor((Date.now() - Date.parse(time.dateTime)) / 60_000);
    // The time of an index runs ahead of the clock, a second for each change.
    if (minutes < -5 || minutes >= 24 * 60) continue;
    time.textContent = minutes < 1 ? "just now" : minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
  }
};
ago(document);

// `/` goes to the search box.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("form[role=search] input");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

// A list follows what is typed or chosen in its filters.
for (const form of document.querySelectorAll("form.filters[data-list]")) {
  const list = document.getElementById(form.dataset.list);
  const said = form.querySelector("[role=status]");
  let waiting, asked;
  const follow = async () => {
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
    const url = `${location.pathname}?${query}`;
    try {
      const answer = await fetch(url, { signal: asked.signal, headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      list.replaceChildren(...page.getElementById(list.id).childNodes);
      ago(list);
      const rows = list.querySelectorAll("tbody tr").length;
      said.textContent = `${rows} shown`;
      history.replaceState(null, "", url);
    } catch {
      // The next letter came first, or the button has to do.
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(follow, 200);
  });
}

// Uploads: one file after the other, with progress. Without a script the form sends them all at once.
for (const form of document.querySelectorAll("form.upload")) {
  const input = form.querySelector("input[type=file]");
  const said = form.querySelector(".progress");
  const drop = form.querySelector(".drop");
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  form.addEventListener("dragleave", () => drop.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length > 0) input.files = event.dataTransfer.files;
  });
  const send = (file, line) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("branch", form.elements.branch.value);
    body.append("repository", form.elements.repository.value);
    body.append("file", file);
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/plain");
    request.upload.addEventListener("progress", (event) => {
      // Quarters: a screen reader says each change.
      if (event.lengthComputable) line.textContent = `${file.name}: ${Math.floor(event.loaded * 4 / event.total) * 25} %`;
    });
    request.addEventListener("load", () => {
      line.textContent = `${file.name}: ${request.responseText.trim()}`;
      line.className = request.status < 300 ? "note ok" : "note bad";
      resolve(request.status < 300);
    });
    request.addEventListener("error", () => {
      line.textContent = `${file.name}: the connection broke; try again`;
      line.className = "note bad";
      resolve(false);
    });
    request.send(body);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    said.replaceChildren();
    let good = true;
    for (const file of input.files) {
      const line = document.createElement("div");
      line.textContent = `${file.name}: 0 %`;
      said.append(line);
      good = await send(file, line) && good;
    }
    button.disabled = false;
    const [branch, repository] = [form.elements.branch.value, form.elements.repository.value].map((text) => encodeURIComponent(text.trim()));
    if (good) location.assign(`${form.dataset.owner}/${branch}/${repository}`);
  });
}
