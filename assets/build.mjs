// Builds the front end into dist/, from where the binary embeds it: our modules and styles bundled by esbuild under names
// with a content hash, and the SDK bundles of posthog-js as they are. Everything is stored gzipped.
//
//   dist/assets/NAME-HASH.EXT.gz   ours, served under /assets/, immutable
//   dist/assets.json               logical name -> hashed name
//   dist/sdk/NAME.js.gz            posthog-js, served under /static/
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { gzipSync } from "node:zlib";

const out = "dist.new";
await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
await mkdir(join(out, "sdk"), { recursive: true });

const pack = (bytes) => gzipSync(bytes, { level: 9, mtime: 0 });
const manifest = {};

async function put(name, bytes) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const extension = extname(name);
  const hashed = `${basename(name, extension)}-${hash}${extension}`;
  manifest[name] = hashed;
  await writeFile(join(out, "assets", `${hashed}.gz`), pack(bytes));
}

const entries = [
  ...(await readdir("static/js")).filter((file) => file.endsWith(".js") && !file.startsWith("_")).map((file) => `static/js/${file}`),
  "static/css/app.css",
];
const { outputFiles } = await build({
  entryPoints: entries,
  outdir: out,
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  loader: { ".svg": "dataurl" },
});
for (const file of outputFiles) await put(basename(file.path), file.contents);
for (const file of await readdir("static/img")) await put(file, await readFile(join("static/img", file)));

// What a page may ask for by name (PROTOCOL §4.7); module builds and source maps stay behind.
const bundles = [
  "array", "array.full", "array.full.es5", "loader", "loader-bootstrap", "recorder", "lazy-recorder", "posthog-recorder",
  "recorder-v2", "surveys", "surveys-preview", "exception-autocapture", "web-vitals", "web-vitals-with-attribution",
  "web-vitals-soft-navs", "web-vitals-with-attribution-soft-navs", "dead-clicks-autocapture", "tracing-headers", "logs",
  "conversations", "product-tours", "product-tours-preview", "element-inference", "intercom-integration",
  "crisp-chat-integration",
];
const sdk = "node_modules/posthog-js";
const { version } = JSON.parse(await readFile(join(sdk, "package.json"), "utf8"));
const served = [];
for (const name of bundles) {
  const bytes = await readFile(join(sdk, "dist", `${name}.js`)).catch(() => null);
  if (bytes === null) continue;
  // Their source maps are not served, so the reference to them goes: a browser's tools would ask for nothing.
  const text = bytes.toString("utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
  await writeFile(join(out, "sdk", `${name}.js.gz`), pack(Buffer.from(text)));
  served.push(name);
}

await writeFile(join(out, "assets.json"), JSON.stringify({ assets: manifest, sdk: { version, bundles: served } }, null, 1));
await rm("dist", { recursive: true, force: true });
await rename(out, "dist");
console.log(`front end: ${Object.keys(manifest).length} files, posthog-js ${version}: ${served.length} bundles`);
