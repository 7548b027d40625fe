/**
 * Rollup plugin: dist/THIRD-PARTY-NOTICES.txt gets the licences of all packages of which a bundle holds code: whoever hands code on must hand on
 * these too. Bundles of one build add to one file.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("../dist/THIRD-PARTY-NOTICES.txt", import.meta.url));

/** Packages by their folder. The kernels hold parts of AssemblyScript's standard library, which no bundler sees. */
const packages = new Map([folderOf(fileURLToPath(new URL("../node_modules/assemblyscript/package.json", import.meta.url)))].map(noticeOf));

export const notices = {
  name: "tandem-notices",
  generateBundle(_, bundle) {
    for (const { modules } of Object.values(bundle)) {
      for (const [id, { renderedLength }] of Object.entries(modules ?? {})) if (renderedLength > 0) addNotice(id);
    }
  },
  writeBundle() {
    const texts = [...packages.values()]
      .sort((a, b) => (a.title < b.title ? -1 : 1))
      .map(({ title, text }) => `${title}\n\n${text.trim()}\n`);
    writeFileSync(FILE, `tandem-llm contains code of these packages.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`);
  },
};

/** Notes the package of a module, if it has one: for what reaches a bundle as text. */
export function addNotice(id) {
  const folder = folderOf(id);
  if (folder && !packages.has(folder)) packages.set(...noticeOf(folder));
}

/** The folder of the package that a module belongs to. */
function folderOf(id) {
  return id.match(/^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/)?.[0];
}

/** Some packages have no file of their licence, only its name. */
function noticeOf(folder) {
  const { name, version, license, author, repository } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)(\.\w+)?$/i.test(file));
  const text = files.map((file) => readFileSync(`${folder}/${file}`, "utf8").trim()).join("\n\n");
  const source = [author?.name ?? author, repository?.url ?? repository].filter(Boolean).join(", ");
  return [folder, { title: `${name} ${version} (${license})`, text: text || `By ${source}. https://spdx.org/licenses/${license}.html` }];
}
