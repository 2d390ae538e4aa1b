// Keeps countdowns running and live parts fresh. Every page works without it.
"use strict";
{
  const body = document.body;
  const speed = Number(body.dataset.speed) || 1;
  let marketUs = Number(body.dataset.nowUs);
  let atMs = performance.now();

  const nowUs = () => marketUs + (performance.now() - atMs) * 1000 * speed;

  const span = (us) => {
    const s = Math.max(0, Math.floor(us / 1e6));
    const two = (n) => String(n).padStart(2, "0");
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
    return `${Math.floor(s / 86400)} days`;
  };

  const tick = () => {
    const now = nowUs();
    const clock = document.querySelector("[data-clock]");
    if (clock) clock.textContent = new Date(now / 1000).toISOString().slice(11, 19);
    for (const element of document.querySelectorAll("[data-until-us]")) {
      const left = Number(element.dataset.untilUs) - now;
      element.textContent = left > 0 ? span(left) : element.dataset.past || "now";
    }
  };

  // A live part names the page that holds its newest form; parts of one page are fetched once.
  const refresh = async (url) => {
    const answer = await fetch(url, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = part.dataset.live === url && page.getElementById(part.id);
      const isHeld = part.contains(document.activeElement) || part.querySelector("details[open]");
      if (!fresh || isHeld) continue;
      part.replaceChildren(...fresh.childNodes);
      for (const name of ["live", "everyMs"]) {
        if (fresh.dataset[name]) part.dataset[name] = fresh.dataset[name];
        else delete part.dataset[name];
      }
    }
    const clock = page.querySelector("[data-now-us]");
    if (clock) {
      marketUs = Number(clock.dataset.nowUs);
      atMs = performance.now();
    }
    tick();
  };

  const due = new Map();
  const poll = () => {
    if (document.hidden) return;
    const pages = new Map();
    for (const part of document.querySelectorAll("[data-live]")) {
      const every = Math.max(500, Number(part.dataset.everyMs) || 5000);
      pages.set(part.dataset.live, Math.min(every, pages.get(part.dataset.live) ?? every));
    }
    for (const [url, every] of pages) {
      if (!due.has(url)) due.set(url, performance.now() + every);
      if (performance.now() < due.get(url)) continue;
      due.set(url, Infinity);
      refresh(url)
        .catch(() => {})
        .finally(() => due.set(url, performance.now() + every));
    }
  };

  const start = () => {
    // The page may have waited in a cache: ask the server for its clock once.
    fetch("/api/v1/time")
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
      .then((time) => {
        marketUs = Number(time.now_us) || nowUs();
        atMs = performance.now();
      })
      .catch(() => {});

    tick();
    setInterval(tick, 250);
    setInterval(poll, 250);
  };

  if (Number.isFinite(marketUs)) start();
}
