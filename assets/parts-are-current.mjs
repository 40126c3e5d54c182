// Ends with 0 if node_modules holds what package-lock.json asks for on this machine: then nothing need be fetched.
import { existsSync, readFileSync } from "node:fs";

const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
const installedLock = "node_modules/.package-lock.json";
if (!existsSync(installedLock)) process.exit(1);
const installed = read(installedLock);
const isForUs = ({ os = [process.platform], cpu = [process.arch], libc }) =>
  os.includes(process.platform) && cpu.includes(process.arch) && !libc?.includes("musl");
const missing = Object.entries(read("package-lock.json")).filter(
  ([path, part]) =>
    path !== "" && isForUs(part) && (installed[path]?.version !== part.version || !existsSync(`${path}/package.json`)),
);
process.exit(missing.length === 0 ? 0 : 1);
