// Every page loads this: small behaviours, each attached by a data- attribute. All pages work without it.
import "./_htmx.js";
import "./_parts.js";
import { attachCopy } from "./_copy.js";
import { attachMenus } from "./_menus.js";
import { attachTheme } from "./_theme.js";
import { attachAutoSubmit } from "./_autosubmit.js";
import { attachTimes } from "./_times.js";
import { attachTabs } from "./_tabs.js";
import { attachExpand } from "./_expand.js";
import { attachFilterList } from "./_filterlist.js";
import { attachLive } from "./_live.js";
import { attachTimeZone } from "./_time_zone.js";
import { attachInsightEditor } from "./_insight_editor.js";

const behaviours = [
  // Before attachAutoSubmit: it may hold back a change.
  attachInsightEditor,
  attachCopy, attachMenus, attachTheme, attachAutoSubmit, attachTimes, attachTabs, attachTimeZone,
  attachExpand, attachFilterList, attachLive,
];
const attach = (root) => behaviours.forEach((behaviour) => behaviour(root));

attach(document);
document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) attach(event.target);
});
document.addEventListener("tenrec:rows", (event) => attachTimes(event.detail));
