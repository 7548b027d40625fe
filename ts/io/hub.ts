import { InvalidArgumentError, NetworkError } from "../errors.ts";
import { steadyFetch } from "./http.ts";
import type { HttpOptions } from "./http-retry.ts";

export interface HubOptions extends HttpOptions {
  /** Access token of the Hugging Face Hub, for gated and private models. Default: the environment variable HF_TOKEN. */
  readonly token?: string;
  /** A mirror of the Hub. Default: the environment variable HF_ENDPOINT, or https://huggingface.co. */
  readonly hubUrl?: string;
  readonly signal?: AbortSignal;
}

/** A file of a repository on the Hub, or what shall be found there: a file without `path` is chosen by its tag. */
export interface HubReference {
  /** "owner/repo". */
  readonly repo: string;
  /** A branch, tag or commit. */
  readonly revision: string;
  readonly path?: string;
  /** A quantisation, as in `hf:owner/repo:Q4_K_M`. */
  readonly tag?: string;
}
export type HubFile = HubReference & { readonly path: string };

/** What a repository without a tag stands for: the format that most people want. */
const DEFAULT_TAG = "Q4_K_M";
const DEFAULT_REVISION = "main";
const REFERENCE = /^hf:(?:\/\/)?([^/@:\s]+\/[^/@:\s]+)(?:@([^/:\s]+))?(?:\/(\S.*)|:(\S+))?$/i;
const FILE_PAGE = /^\/([^/]+\/[^/]+)\/(?:resolve|blob)\/([^/]+)\/(.+)$/;

/** Whether a text names something on the Hub. */
export function isHubReference(text: string): boolean {
  return /^hf:/i.test(text);
}

/** Reads `hf:owner/repo[@revision]/file.gguf`, `hf:owner/repo[@revision]:TAG` or `hf:owner/repo`. Throws InvalidArgumentError. */
export function parseHubReference(text: string): HubReference {
  const match = REFERENCE.exec(text);
  if (!match) {
    throw new InvalidArgumentError(`${text}: wanted hf:owner/repo/file.gguf or hf:owner/repo:Q4_K_M, got another form: check the spelling`);
  }
  return { repo: match[1]!, revision: decodeURIComponent(match[2] ?? DEFAULT_REVISION), path: match[3], tag: match[4] };
}

/** The file that a URL of the Hub shows (`…/blob/main/…`, as in the address bar) or gives (`…/resolve/main/…`). Undefined for other URLs. */
export function hubFileOf(url: URL, options: HubOptions): HubFile | undefined {
  const match = url.origin === new URL(endpoint(options)).origin ? FILE_PAGE.exec(url.pathname) : null;
  if (!match) return undefined;
  const [repo, revision, path] = match.slice(1).map(decodeURIComponent);
  return { repo: repo!, revision: revision!, path: path! };
}

/** `hf:owner/repo/file.gguf`. */
export function hubName({ repo, revision, path }: HubFile): string {
  return `hf:${repo}${revision === DEFAULT_REVISION ? "" : `@${encodeURIComponent(revision)}`}/${path}`;
}

/** Where the file's bytes are. */
export function hubFileUrl({ repo, revision, path }: HubFile, options: HubOptions): string {
  return `${endpoint(options)}/${repo}/resolve/${encodeURIComponent(revision)}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** Headers that the Hub wants to see. */
export function hubHeaders(options: HubOptions): Record<string, string> {
  const accessToken = token(options);
  return { ...options.headers, ...(accessToken && { Authorization: `Bearer ${accessToken}` }) };
}

/** What the Hub knows of a file. Throws NetworkError where there is none. */
export async function hubFacts(file: HubFile, options: HubOptions): Promise<{ bytes: number; sha256: string | undefined }> {
  const { pathsInfo } = await import("@huggingface/hub");
  const [found] = await pathsInfo({ ...call(file, options), paths: [file.path] });
  if (found?.type === "file") return { bytes: found.size, sha256: found.lfs?.oid };
  const models = (await ggufPaths(file, options)).join(", ") || "no GGUF file";
  throw new NetworkError(`${hubName(file)}: there is no such file: the repository has ${models}`, 404);
}

/** Chooses the file that a reference without a path means. Throws InvalidArgumentError where none or several fit, NetworkError. */
export async function findHubFile(reference: HubReference, options: HubOptions): Promise<HubFile> {
  if (reference.path !== undefined) return { ...reference, path: reference.path };
  const paths = await ggufPaths(reference, options);
  const path = chooseByTag(paths, reference.tag);
  if (path !== undefined) return { ...reference, path };
  throw new InvalidArgumentError(
    `hf:${reference.repo}: wanted a GGUF file of ${reference.tag ?? DEFAULT_TAG}, got ${paths.join(", ") || "none"}: ` +
      `name one, as in hf:${reference.repo}/${paths[0] ?? "file.gguf"}`,
  );
}

/** The file of a quantisation: of several with it the one with the shortest name, of shards the first. Without a tag, an only file will do. */
export function chooseByTag(paths: readonly string[], tag: string | undefined): string | undefined {
  const models = paths.filter((path) => !/mmproj/i.test(path) && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(path));
  const escaped = (tag ?? DEFAULT_TAG).replace(/[^A-Za-z0-9_]/g, "\\$&");
  const tagged = new RegExp(`(?:^|[^a-z0-9])${escaped}(?=[.-])`, "i");
  const fitting = models.filter((path) => tagged.test(path.split("/").at(-1)!)).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return fitting[0] ?? (tag === undefined && models.length === 1 ? models[0] : undefined);
}

async function ggufPaths(reference: HubReference, options: HubOptions): Promise<string[]> {
  const { listFiles } = await import("@huggingface/hub");
  const paths: string[] = [];
  for await (const { type, path } of listFiles({ ...call(reference, options), recursive: true })) {
    if (type === "file" && /\.gguf$/i.test(path)) paths.push(path);
  }
  return paths.sort();
}

function call({ repo, revision }: HubReference, options: HubOptions) {
  const accessToken = token(options);
  return { repo, revision, hubUrl: endpoint(options), fetch: steadyFetch(options, options.signal), ...(accessToken && { accessToken }) };
}

function endpoint({ hubUrl }: HubOptions): string {
  return (hubUrl ?? (globalThis.process?.env?.HF_ENDPOINT || "https://huggingface.co")).replace(/\/+$/, "");
}

function token(options: HubOptions): string | undefined {
  const given = options.token ?? globalThis.process?.env?.HF_TOKEN;
  if (!given) return undefined;
  if (!given.startsWith("hf_"))
    throw new InvalidArgumentError('HF_TOKEN (download.token): wanted a token that starts with "hf_", got another text');
  return given;
}
