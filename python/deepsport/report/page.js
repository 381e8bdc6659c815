/* The browser of questions: filters, a list that draws only what is visible, and the details. */
"use strict";
(() => {
  const root = document.documentElement;
  const stored = (() => { try { return localStorage.getItem("deepsport-theme"); } catch { return null; } })();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = (name) => { root.dataset.theme = name; };
  setTheme(stored || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () => {
    setTheme(root.dataset.theme === "dark" ? "light" : "dark");
    try { localStorage.setItem("deepsport-theme", root.dataset.theme); } catch { /* private window */ }
  });

  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const show = (tab) => {
      for (const other of tabs) {
        other.setAttribute("aria-selected", String(other === tab));
        other.tabIndex = other === tab ? 0 : -1;
        document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
      }
    };
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => show(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(i + step + tabs.length) % tabs.length];
        show(next);
        next.focus();
        event.stopPropagation();
      });
    });
  }

  const box = document.getElementById("list");
  if (!box) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const { runs, questions, pictures } = data;
  const rows = document.getElementById("rows");
  const detail = document.getElementById("detail");
  const ROW = 62;

  const el = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name.startsWith("aria-") && value !== null) node.setAttribute(name, String(value));
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const svg = (tag, attributes = {}, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const clock = (seconds, digits = 2) => {
    if (seconds < 60) return `${seconds.toFixed(digits)} s`;
    const minutes = Math.floor(seconds / 60);
    return `${minutes}:${(seconds - 60 * minutes).toFixed(digits === 0 ? 0 : 1).padStart(digits === 0 ? 2 : 4, "0")}`;
  };

  /* --- what each attempt was ------------------------------------------------------------- */
  const FAULTS = new Set(["media_error", "api_error", "timeout", "judge_fail", "internal"]);
  const WORDS = {
    ok: "answered", parse_fail: "could not be read", refused: "refused", malformed: "broke the protocol",
    truncated: "cut off", budget: "no answer in time", media_error: "video failed", api_error: "server failed",
    timeout: "timed out", judge_fail: "judge failed", internal: "internal failure",
  };
  const result = (attempts) => {
    if (!attempts || !attempts.length) return "none";
    const scored = attempts.filter((a) => !FAULTS.has(a[0]));
    if (!scored.length) return "fault";
    const right = scored.filter((a) => a[2]).length;
    return right === scored.length ? "right" : right ? "part" : "wrong";
  };
  const looked = (attempts) => {
    if (!attempts || !attempts.length) return "none";
    const a = attempts[0];
    return a[4] === 0 ? "no" : a[3] === -1 ? "unknown" : a[3] ? "hit" : "miss";
  };
  const last = data.subject; // the run the page is about: the last that is no control
  const change = (q) => {
    const before = result(q.r[0]), after = result(q.r[last]);
    if (before === "right" && after === "wrong") return "lost";
    if (before === "wrong" && after === "right") return "gained";
    return "";
  };
  const MARK = { right: ["✓", "right"], wrong: ["✗", "wrong"], part: ["~", "part"], fault: ["!", "none"], none: ["·", "none"] };
  const mark = (attempts, name) => {
    const [sign, css] = MARK[result(attempts)];
    return el("span", { class: `mark ${css}`, title: `${name}: ${result(attempts)}`, role: "img", "aria-label": `${name}: ${result(attempts)}` }, sign);
  };

  /* --- filters ---------------------------------------------------------------------------- */
  const field = (name) => document.getElementById(name);
  const fill = (select, title, entries) => {
    select.replaceChildren(el("option", { value: "" }, title), ...entries.map(([value, text]) => el("option", { value }, text)));
    select.hidden = entries.length < 2 && select.id !== "f-result";
  };
  const values = (key) => [...new Set(questions.map((q) => q[key]).filter(Boolean))].sort().map((v) => [v, v]);
  fill(field("f-run"), "all runs", runs.map((name, i) => [String(i), name]));
  fill(field("f-result"), "any result", [
    ["wrong", "wrong"], ["right", "right"], ["part", "sometimes right"], ["unread", "not a readable answer"], ["fault", "failed, not scored"],
    ...(runs.length > 1 ? [["lost", `lost: ${runs[0]} right, ${runs[last]} wrong`], ["gained", `gained: ${runs[0]} wrong, ${runs[last]} right`], ["differ", "runs differ"]] : []),
  ]);
  fill(field("f-look"), "any look", [["hit", "window on the event"], ["miss", "window elsewhere"], ["no", "did not look"]]);
  fill(field("f-sport"), "all sports", values("sport"));
  fill(field("f-kind"), "all kinds", values("kind"));
  fill(field("f-family"), "all families", values("family"));

  const haystack = questions.map((q) => [q.q, q.id, q.sport, q.family, q.kind, q.source, q.dim].join("\n").toLowerCase());
  let shown = [];
  let current = -1; // index into questions
  let run = 0;
  let sample = 0;

  const matchesResult = (q, wanted, which) => {
    if (wanted === "lost" || wanted === "gained") return change(q) === wanted;
    if (wanted === "differ") return new Set(q.r.map(result)).size > 1;
    const some = which === "" ? q.r : [q.r[Number(which)]];
    if (wanted === "unread") return some.some((a) => (a || []).some((x) => x[0] !== "ok" && !FAULTS.has(x[0])));
    return some.some((a) => result(a) === wanted);
  };
  const apply = () => {
    const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [which, wanted, look, sport, kind, family] = ["run", "result", "look", "sport", "kind", "family"].map((n) => field(`f-${n}`).value);
    for (const select of document.querySelectorAll(".bar select")) select.classList.toggle("set", select.value !== "");
    shown = [];
    for (let i = 0; i < questions.length; i++) {
      const q = questions[i];
      if (sport && q.sport !== sport) continue;
      if (kind && q.kind !== kind) continue;
      if (family && q.family !== family) continue;
      if (words.length && !words.every((word) => haystack[i].includes(word))) continue;
      if (wanted && !matchesResult(q, wanted, which)) continue;
      if (look && !(which === "" ? q.r : [q.r[Number(which)]]).some((a) => looked(a) === look)) continue;
      shown.push(i);
    }
    if (runs.length > 1 && !wanted) { // what got worse comes first, then what got better
      const rank = (i) => ({ lost: 0, gained: 1 }[change(questions[i])] ?? 2);
      shown = shown.map((i) => [rank(i), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((pair) => pair[1]);
    }
    field("count").textContent = shown.length === questions.length ? `${questions.length} questions` : `${shown.length} of ${questions.length}`;
    rows.style.height = `${shown.length * ROW}px`;
    box.scrollTop = 0;
    draw(true);
    if (!shown.includes(current)) open(shown.length ? shown[0] : -1, false);
  };

  /* --- the list: only what is in view exists ------------------------------------------------ */
  let drawn = "";
  const draw = (force = false) => {
    const from = Math.max(0, Math.floor(box.scrollTop / ROW) - 6);
    const to = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 6);
    const key = `${from}-${to}-${current}`;
    if (!force && key === drawn) return;
    drawn = key;
    const nodes = [];
    for (let place = from; place < to; place++) {
      const i = shown[place], q = questions[i];
      const changed = runs.length > 1 ? change(q) : "";
      nodes.push(el("div", { class: "item", id: `q${i}`, role: "option", "aria-selected": i === current, "aria-posinset": place + 1, "aria-setsize": shown.length, style: `top:${place * ROW}px`, "data-i": i },
        el("div", { class: "q" }, q.q),
        el("div", { class: "m" }, el("span", { class: "marks" }, ...(q.unknown ? [] : q.r.map((a, r) => mark(a, runs[r])))),
          changed ? el("span", { class: changed === "lost" ? "worse" : "better" }, changed) : "",
          el("span", {}, [q.sport, q.family || q.kind].filter(Boolean).join(" · ")))));
    }
    rows.replaceChildren(...nodes);
    if (current >= 0) box.setAttribute("aria-activedescendant", `q${current}`);
  };
  let waiting = false;
  box.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  addEventListener("resize", () => draw(true));
  rows.addEventListener("click", (event) => {
    const item = event.target.closest(".item");
    if (item) open(Number(item.dataset.i));
  });
  const reveal = () => {
    const place = shown.indexOf(current);
    if (place < 0) return;
    const top = place * ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
  };

  /* --- details: in the page, or in scripts beside it ----------------------------------------- */
  const chunks = new Map();
  const waitingFor = new Map();
  globalThis.deepsportChunk = (number, part) => {
    chunks.set(number, part);
    for (const done of waitingFor.get(number) || []) done();
    waitingFor.delete(number);
  };
  const withDetail = (i, then) => {
    if (data.details) return then(data.details[i]);
    const number = Math.floor(i / data.chunk);
    const give = () => then(chunks.get(number)[i % data.chunk]);
    if (chunks.has(number)) return give();
    if (waitingFor.has(number)) return void waitingFor.get(number).push(give);
    waitingFor.set(number, [give]);
    document.head.append(el("script", {
      src: `${data.folder}/questions-${number}.js`,
      onerror: () => { waitingFor.delete(number); detail.replaceChildren(el("p", { class: "empty" }, `The folder ${data.folder} is not beside this page: details cannot be shown.`)); },
    }));
  };

  const open = (i, remember = true) => {
    current = i;
    sample = 0;
    reveal();
    draw(true);
    if (i < 0) { detail.replaceChildren(el("p", { class: "empty" }, "No question matches the filters.")); return; }
    if (remember) history.replaceState(null, "", `#q=${encodeURIComponent(questions[i].id)}`);
    withDetail(i, (d) => { if (current === i) show(i, d); });
  };

  const show = (i, d) => {
    const q = questions[i];
    const attempts = d.runs[run] || [];
    const attempt = attempts[Math.min(sample, attempts.length - 1)];
    const options = attempt && attempt.options || d.options;
    const labels = attempt && attempt.labels || d.labels;
    const nodes = [
      el("div", { class: "meta" }, [q.sport, q.dim, q.family, q.kind, q.source, d.difficulty].filter(Boolean).join(" · ")),
      el("h3", {}, q.q),
    ];
    if (options.length) nodes.push(optionList(options, labels, attempt));
    else if (!q.unknown) nodes.push(el("p", { class: "truthline" }, "Right answer: ", el("b", {}, d.truth + (d.unit ? ` ${d.unit}` : ""))));
    if (runs.length > 1) {
      nodes.push(el("div", { class: "runtabs", role: "tablist", "aria-label": "Run" }, ...runs.map((name, r) =>
        el("button", { type: "button", role: "tab", "aria-selected": r === run, "aria-controls": "attempt", tabindex: r === run ? 0 : -1, onclick: () => { run = r; sample = 0; show(i, d); } }, mark(q.r[r], name), name))));
    }
    const body = el("div", { id: "attempt", role: runs.length > 1 ? "tabpanel" : null, "aria-label": runs.length > 1 ? runs[run] : null });
    if (attempts.length > 1) {
      body.append(el("p", { class: "meta" }, "attempt ", ...attempts.map((a, k) => el("button", { type: "button", class: "quiet", "aria-pressed": k === sample, onclick: () => { sample = k; show(i, d); } }, `${k + 1} ${a.verdict.correct ? "✓" : "✗"}`))));
    }
    if (attempt) attemptNodes(body, attempt, d);
    else body.append(el("p", { class: "empty" }, "This run has no attempt at the question."));
    nodes.push(body, el("p", { class: "meta" }, `${q.id} — ${d.video}${d.group ? ` — ${d.group}` : ""}`));
    detail.replaceChildren(...nodes);
    detail.scrollTop = 0;
  };

  const optionList = (options, labels, attempt) => {
    const read = attempt && Array.isArray(attempt.verdict.read) ? attempt.verdict.read : [];
    return el("ul", { class: "options" }, ...options.map((text, k) => {
      const letter = String.fromCharCode(65 + k);
      const truth = labels.includes(letter), chosen = read.includes(letter);
      const words = [truth ? "right" : "", chosen ? "answered" : ""].filter(Boolean).join(", ");
      return el("li", { class: `${truth ? "truth" : ""} ${chosen ? "chosen" : ""} ${chosen && !truth ? "false" : ""}` }, el("b", {}, letter), el("span", {}, text), el("span", {}, words));
    }));
  };

  const attemptNodes = (body, attempt, d) => {
    if (attempt.video) body.append(timeline(attempt, d));
    const inEvidence = (seconds) => d.evidence.some(([a, b]) => a <= seconds && seconds < Math.max(b, a + 1e-9));
    let calls = 0;
    for (const turn of attempt.turns) {
      if (turn.role === "user") {
        if (turn.frames) body.append(el("div", { class: "turn" }, el("h4", {}, `First frames (${turn.frames.length})`), frameGrid(turn.frames, inEvidence)));
      } else if (turn.role === "assistant") body.append(assistant(turn, () => ++calls));
      else body.append(el("div", { class: "turn tool" }, el("h4", {}, turn.frames ? `Frames of call ${calls} (${turn.frames.length})` : "Told"),
        turn.frames && turn.text ? el("p", { class: "plain" }, turn.text) : "",
        turn.frames ? frameGrid(turn.frames, inEvidence) : el("p", { class: "plain" }, turn.text)));
    }
    if (attempt.fault) body.append(el("p", { class: "note coverage" }, `Not scored — ${attempt.fault}`));
    if (d.truth || d.labels.length) body.append(verdictLine(attempt, d));
  };

  const assistant = (turn, nextCall) => {
    const found = /<think>([\s\S]*?)<\/think>/.exec(turn.text);
    const rest = (found ? turn.text.slice(found.index + found[0].length) : turn.text).trim();
    const answer = /^<answer>([\s\S]*)<\/answer>$/.exec(rest);
    const node = el("div", { class: `turn ${answer ? "answer" : ""}` }, el("h4", {}, answer ? "Answer" : found || turn.call ? "Thought" : "Said"));
    if (found && found[1].trim()) node.append(el("p", { class: "think" }, found[1].trim()));
    if (answer) node.append(el("p", { class: "final" }, answer[1].trim()));
    else if (turn.window || turn.rejected || turn.call) {
      const number = nextCall();
      const words = turn.arguments ? `call ${number}: ${turn.call} ${Object.entries(turn.arguments).map(([k, v]) => `${k} ${v}`).join(", ")}` : turn.window ? `call ${number}: frames ${turn.window[0]}–${turn.window[1] - 1}` + (turn.seconds && turn.seconds.length ? `, ${clock(turn.seconds[0])} – ${clock(turn.seconds[1])}` : "") : `call ${number}`;
      node.append(el("span", { class: `call ${turn.rejected ? "bad" : ""}` }, words));
      if (turn.rejected) node.append(el("p", { class: "plain" }, `${rest}\n${turn.repeated ? "asked for before: " : "refused: "}${turn.rejected}`));
    } else if (rest) node.append(el("p", { class: "plain" }, rest));
    return node;
  };

  // frames get the shape of their video, tall ones within reason; set once, by the first to load
  const shape = (event) => {
    const { naturalWidth, naturalHeight, parentElement } = event.target;
    const grid = parentElement.parentElement;
    if (grid && naturalHeight && !grid.style.getPropertyValue("--shape")) grid.style.setProperty("--shape", String(Math.max(0.8, naturalWidth / naturalHeight)));
  };

  const frameGrid = (frames, inEvidence) => el("div", { class: "frames" }, ...frames.map(([index, seconds, number, view]) => {
    const source = number >= 0 ? pictures[number] : "";
    const label = `frame ${index} at ${seconds.toFixed(2)} s${view && view[0] === "#" ? ", zoomed" : view ? ", with detections" : ""}`;
    return el("button", { type: "button", class: `frame ${inEvidence(seconds) ? "in" : ""}`, title: label + (inEvidence(seconds) ? " (in the annotated event)" : ""), onclick: () => lens(source, label) },
      source ? el("img", { src: source, loading: "lazy", decoding: "async", alt: label, onload: shape }) : el("div", { class: "void", role: "img", "aria-label": `${label}, no picture` }, "no picture"),
      el("span", {}, el("i", { style: "font-style:normal" }, String(index)), el("i", { style: "font-style:normal" }, clock(seconds))));
  }));

  const lens = (source, label) => {
    const dialog = document.getElementById("lens");
    if (!source) return;
    dialog.querySelector("img").src = source;
    dialog.querySelector("img").alt = label;
    dialog.querySelector("p").textContent = label;
    dialog.showModal();
  };
  document.getElementById("lens").addEventListener("click", (event) => event.currentTarget.close());

  const timeline = (attempt, d) => {
    const [, , duration] = attempt.video;
    const times = attempt.turns.flatMap((t) => (t.frames || []).map((f) => f[1]));
    const origin = Math.min(0, ...times);
    const W = 900, x = (s) => Math.max(0, Math.min(W, (W * (s - origin)) / (duration || 1)));
    const windows = attempt.turns.filter((t) => t.seconds && t.seconds.length);
    const H = 40 + 17 * windows.length;
    const node = svg("svg", { viewBox: `0 0 ${W} ${H + 18}`, role: "img", "aria-label": `Timeline of ${duration.toFixed(1)} seconds with ${windows.length} requested windows` });
    node.append(svg("rect", { class: "track", x: 0, y: 18, width: W, height: 16, rx: 4 }));
    for (const [a, b, label] of d.evidence) {
      const width = Math.max(3, x(b) - x(a));
      node.append(svg("rect", { class: "ev", x: x(a), y: 16, width, height: H - 16 }));
      node.append(svg("line", { class: "evline", x1: x(a), x2: x(a) + width, y1: 16, y2: 16 }));
      const right = x(a) > W * 0.75;
      node.append(svg("text", { class: "evt", x: right ? x(b) : x(a), y: 11, "text-anchor": right ? "end" : "start" }, `${label || "event"} ${clock(a)} – ${clock(b)}`));
    }
    let calls = 0;
    for (const turn of attempt.turns) {
      if (turn.seconds && turn.seconds.length) {
        const [a, b] = turn.seconds, y = 40 + 17 * calls++;
        node.append(svg("rect", { class: "win", x: x(a), y, width: Math.max(3, x(b) - x(a)), height: 13, rx: 3 }));
        const right = x(b) > W * 0.8;
        node.append(svg("text", { class: "wt", x: right ? x(a) - 5 : x(b) + 5, y: y + 10.5, "text-anchor": right ? "end" : "start" }, `call ${calls}`));
      }
      for (const [index, seconds] of turn.frames || []) {
        const inCall = turn.role === "tool";
        const line = svg("line", { class: `fr ${inCall ? "call" : ""}`, x1: x(seconds), x2: x(seconds), y1: inCall ? 40 + 17 * (calls - 1) : 20, y2: inCall ? 53 + 17 * (calls - 1) : 32 });
        line.append(svg("title", {}, `frame ${index}, ${seconds.toFixed(2)} s`));
        node.append(line);
      }
    }
    node.append(svg("text", { x: 0, y: H + 13 }, clock(origin, 0)), svg("text", { x: W, y: H + 13, "text-anchor": "end" }, clock(origin + duration, duration < 60 ? 2 : 0)));
    return el("div", { class: "timeline" }, node);
  };

  const training = ([step, reward, parts]) => {
    const named = Object.entries(parts).filter(([, value]) => value !== null);
    const said = named.map(([name, value]) => `${name.replace(/_/g, " ")} ${+value.toFixed(3)}`);
    return `step ${step}: ${reward === null ? "masked" : `reward ${+reward.toFixed(3)} (${said.join(", ")})`}`;
  };

  const verdictLine = (attempt, d) => {
    const v = attempt.verdict;
    const right = v.outcome === "ok" ? (v.correct ? "right" : "wrong") : WORDS[v.outcome] || v.outcome;
    const parts = Object.entries(v.parts || {}).map(([name, value]) => `${name.replace(/_/g, " ")} ${+value.toFixed(3)}`);
    const usage = attempt.usage || {};
    const tokens = usage.completion_tokens ? `${Math.round(usage.completion_tokens)} tokens` : "";
    return el("div", { class: "verdict" },
      el("b", { class: v.outcome === "ok" ? right : "" }, right),
      el("span", {}, "read ", el("b", {}, v.read === undefined ? "nothing" : Array.isArray(v.read) ? v.read.flat().join(", ") : String(v.read))),
      el("span", {}, "truth ", el("b", {}, attempt.labels && attempt.labels.length ? attempt.labels.join(", ") : d.truth)),
      el("span", {}, `score ${v.score === undefined ? "–" : +v.score.toFixed(3)}`),
      el("span", {}, `rule: ${v.rule || "–"}`),
      parts.length ? el("span", {}, parts.join(", ")) : "",
      attempt.training ? el("span", {}, training(attempt.training)) : "",
      tokens ? el("span", {}, tokens) : "",
      el("span", {}, `${attempt.wall.toFixed(1)} s`));
  };

  /* --- keys ---------------------------------------------------------------------------------- */
  const move = (step) => {
    const place = shown.indexOf(current);
    const next = Math.max(0, Math.min(shown.length - 1, place + step));
    if (shown.length && next !== place) open(shown[next]);
  };
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) { event.target.blur(); box.focus(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const inList = event.target === box;
    if (event.key === "/") { event.preventDefault(); field("search").focus(); }
    else if (event.key === "j" || (inList && event.key === "ArrowDown")) { event.preventDefault(); move(1); }
    else if (event.key === "k" || (inList && event.key === "ArrowUp")) { event.preventDefault(); move(-1); }
    else if (inList && event.key === "PageDown") { event.preventDefault(); move(8); }
    else if (inList && event.key === "PageUp") { event.preventDefault(); move(-8); }
    else if (inList && event.key === "Home") { event.preventDefault(); move(-shown.length); }
    else if (inList && event.key === "End") { event.preventDefault(); move(shown.length); }
    else if ((event.key === "[" || event.key === "]") && current >= 0) {
      run = (run + (event.key === "]" ? 1 : runs.length - 1)) % runs.length;
      sample = 0;
      withDetail(current, (d) => show(current, d));
    } else if (event.key === "n") {
      const place = shown.indexOf(current);
      const next = shown.findIndex((i, k) => k > place && result(questions[i].r[run]) === "wrong");
      if (next >= 0) open(shown[next]);
    } else if (event.key === "Escape") box.focus();
  });
  let typing = 0;
  field("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 60); });
  for (const select of document.querySelectorAll(".bar select")) {
    select.addEventListener("change", () => {
      if (select.id === "f-run" && select.value !== "") { run = Number(select.value); sample = 0; if (current >= 0) withDetail(current, (d) => show(current, d)); }
      apply();
    });
  }
  field("clear").addEventListener("click", () => {
    field("search").value = "";
    for (const select of document.querySelectorAll(".bar select")) select.value = "";
    apply();
  });

  run = last;
  const wanted = /^#q=(.+)$/.exec(location.hash);
  const start = wanted ? questions.findIndex((q) => q.id === decodeURIComponent(wanted[1])) : -1;
  apply();
  if (start >= 0) { open(start); document.getElementById("questions").scrollIntoView(); }
})();
