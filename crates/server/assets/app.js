// Keeps an open page up to date. Every page works without it.
//
// It asks for the same page again, every few seconds or as soon as the server tells of an event, and takes over only
// what has changed, so that focus, selection, scroll position and open folds stay. The server renders everything;
// nothing is computed here. It rests while the tab is hidden, and by hand.
"use strict";

(() => {
  const DEADLINE_MS = 10_000;
  // Several events mostly come together.
  const AFTER_EVENT_MS = 150;
  // How often a server is tried that does not answer.
  const IN_TROUBLE_MS = 3_000;
  const EVENTS = ["state", "progress", "log", "stalled", "removed"];

  const page = document.getElementById("page");
  const trouble = document.getElementById("trouble");
  const news = document.getElementById("news");
  let timer = 0;
  let stream = null;
  let refreshing = false;
  let asked = false;
  let paused = false;
  let updated = new Date();

  // What was just done is told once: neither a reload nor a bookmark should say it again.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }

  function addLocalTimes() {
    for (const time of page.querySelectorAll("time[datetime]")) {
      const local = new Date(time.dateTime).toLocaleString();
      if (!time.title.includes(local)) time.title += `\n${local} here`;
    }
  }

  function isAlike(one, other) {
    return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
  }

  function takeOver(from, to) {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    // Whether a fold is open is the reader's business.
    const isOurs = (name) => !(from.nodeName === "DETAILS" && name === "open");
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && isOurs(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (from.getAttribute(name) !== value && isOurs(name)) from.setAttribute(name, value);
    }
    takeOverChildren(from, to);
  }

  // Elements with an id are the same element wherever they stand now; others are matched by position.
  function takeOverChildren(from, to) {
    const named = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
    const wantedIds = new Set([...to.children].map((child) => child.id).filter(Boolean));
    let at = from.firstChild;
    const drop = () => {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    };
    for (const wanted of [...to.childNodes]) {
      const twin = wanted.id ? named.get(wanted.id) : undefined;
      if (twin && isAlike(twin, wanted)) {
        while (at && at !== twin && !(at.id && wantedIds.has(at.id))) drop();
        // Moving an element takes its focus, so it is moved only when the order has changed.
        if (at === twin) at = at.nextSibling;
        else from.insertBefore(twin, at);
        takeOver(twin, wanted);
        continue;
      }
      while (at && at.id && !wantedIds.has(at.id)) drop();
      if (at && !at.id && !wanted.id && isAlike(at, wanted)) {
        const matched = at;
        at = at.nextSibling;
        takeOver(matched, wanted);
      } else {
        from.insertBefore(wanted, at);
      }
    }
    while (at) drop();
  }

  async function refresh() {
    clearTimeout(timer);
    if (refreshing) {
      asked = true;
      return;
    }
    refreshing = true;
    asked = false;
    let soon = IN_TROUBLE_MS;
    try {
      const response = await fetch(location.pathname + location.search, {
        headers: { accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      // The session has ended, or the page is another one by now.
      if (response.redirected) return location.reload();
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      const wanted = fresh.getElementById("page");
      if (!wanted) throw new Error("no page");
      updated = new Date();
      trouble.textContent = "";
      if (wanted.dataset.summary && wanted.dataset.summary !== page.dataset.summary) {
        news.textContent = wanted.dataset.summary;
      }
      document.title = fresh.title;
      takeOver(page, wanted);
      addLocalTimes();
      soon = Number(page.dataset.refresh);
    } catch {
      trouble.textContent =
        `The server does not answer. This is how things were at ${updated.toLocaleTimeString()}; trying again.`;
    } finally {
      refreshing = false;
    }
    if (asked) return refresh();
    watch(soon);
  }

  function watch(soon) {
    clearTimeout(timer);
    const events = page.dataset.events;
    if (paused || document.hidden || !soon) {
      stream?.close();
      stream = null;
      return;
    }
    timer = setTimeout(refresh, soon);
    if (!events) {
      stream?.close();
      stream = null;
    } else if (!stream || stream.readyState === EventSource.CLOSED) {
      stream = new EventSource(events);
      for (const name of EVENTS) stream.addEventListener(name, refreshSoon);
    }
  }

  function refreshSoon() {
    if (paused || document.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, AFTER_EVENT_MS);
  }

  function addSwitch() {
    const button = document.createElement("button");
    button.className = "quiet live";
    button.type = "button";
    button.title = "Keeps this page up to date";
    const show = () => {
      button.textContent = paused ? "Updates paused" : "Live";
      button.setAttribute("aria-pressed", String(!paused));
    };
    button.addEventListener("click", () => {
      paused = !paused;
      show();
      if (paused) watch(0);
      else refresh();
    });
    show();
    document.getElementById("controls").prepend(button);
  }

  addLocalTimes();
  if (!page.dataset.refresh) return;
  addSwitch();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || paused) watch(0);
    else refresh();
  });
  watch(Number(page.dataset.refresh));
})();
