// [data-live="URL"] asks for new rows about once a second and puts them on top, without those it has; [data-live-pause] stops it.
const EVERY = 1000;
const MOST_ROWS = 200;

export function attachLive(root) {
  for (const box of root.querySelectorAll("[data-live]")) follow(box);
}

function follow(box) {
  const find = (name) => box.querySelector(`[data-live-${name}]`);
  const [rows, dot, state, rate, pause] = [box.querySelector("[data-rows]"), find("dot"), find("state"), find("rate"), find("pause")];
  let after = box.dataset.after;
  let paused = false;
  let failures = 0;

  const say = () => {
    dot.classList.toggle("is-paused", paused);
    dot.classList.toggle("is-lost", !paused && failures > 1);
    state.textContent = paused ? "Paused" : failures > 1 ? "Connection lost, trying again" : "Live";
  };

  const add = (answer) => {
    const known = new Set([...rows.querySelectorAll("[data-event]")].map((row) => row.dataset.event));
    const arrived = [...answer.querySelectorAll("[data-event]")].filter((row) => !known.has(row.dataset.event));
    const fragment = document.createDocumentFragment();
    for (const row of arrived) {
      const detail = answer.querySelector(`#d${row.dataset.event}`);
      row.classList.add("is-new");
      fragment.append(row, detail);
    }
    if (arrived.length) {
      rows.prepend(fragment);
      find("empty").hidden = true;
      find("table").hidden = false;
      for (const row of [...rows.querySelectorAll("[data-event]")].slice(MOST_ROWS)) {
        row.nextElementSibling?.remove();
        row.remove();
      }
      document.dispatchEvent(new CustomEvent("tenrec:rows", { detail: rows }));
    }
  };

  const ask = async () => {
    const answer = await fetch(`${box.dataset.live}?after=${after}&traffic=${box.dataset.traffic}`, { headers: { "HX-Request": "true" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const table = page.querySelector("table[data-after]");
    after = table.dataset.after;
    rate.textContent = table.dataset.rate;
    add(table);
  };

  const next = async () => {
    if (!document.contains(box)) return;
    if (!paused && !document.hidden) {
      try {
        await ask();
        failures = 0;
      } catch {
        failures += 1;
      }
      say();
    }
    setTimeout(next, Math.min(EVERY * 2 ** Math.max(0, failures - 1), 15_000));
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    say();
  });
  setTimeout(next, EVERY);
}
