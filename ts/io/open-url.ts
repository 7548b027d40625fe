import { CapabilityError, InvalidArgumentError, NetworkError } from "../errors.ts";
import { CachedSource } from "../store/cached-source.ts";
import { type EntryInfo, fileNameOf, keyOf, readEntry, writeEntry } from "../store/entry.ts";
import type { Home } from "../store/home.ts";
import { type CacheOptions, openHome } from "../store/open-home.ts";
import { pieceBytesFor } from "../store/pieces.ts";
import { type DownloadProgress, downloadAll } from "./download.ts";
import { probe, sameVersion } from "./http.ts";
import { showUrl } from "./http-errors.ts";
import type { HttpOptions } from "./http-retry.ts";
import * as hub from "./hub.ts";
import type { Source } from "./source.ts";
import { UrlSource } from "./url-source.ts";

/** How models come from the network, and where they are kept. */
export interface DownloadOptions extends HttpOptions, CacheOptions, Pick<hub.HubOptions, "token" | "hubUrl"> {
  /** Keep models for the next time. Default: true. Without, every load fetches everything, straight into the model's memory. */
  readonly cache?: boolean;
  /**
   * Ask the server whether a cached model is still its newest version, and fetch it again if not; where the server cannot be reached the
   * cached one is used. Default: false, a model that is in the cache is used without any request.
   */
  readonly revalidate?: boolean;
  /** What the file must be, 64 hexadecimal digits; for models in one file. Default: what the Hub says; files from elsewhere are not checked. */
  readonly sha256?: string;
}

/** How a model file is opened. */
export interface OpenOptions {
  readonly signal?: AbortSignal;
  readonly download?: DownloadOptions;
  /** Called as bytes arrive from the network. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** A file on the network, by the name that messages and the cache use. */
interface Place {
  readonly name: string;
  readonly url: string;
  readonly hubFile?: hub.HubFile;
  readonly http: HttpOptions;
}

/** `hf:owner/repo:TAG` as `hf:owner/repo/file.gguf`: a cached file that fits, else the repository is asked. Other texts stay. */
export async function resolveReference(text: string, { download = {}, signal }: OpenOptions): Promise<string> {
  if (!hub.isHubReference(text)) return text;
  const reference = hub.parseHubReference(text);
  if (reference.path !== undefined) return text;
  const home = download.cache === false || download.revalidate ? undefined : await openHome(download);
  const cached = home && hub.chooseByTag(await completePaths(home, reference), reference.tag);
  if (cached !== undefined) return hub.hubName({ ...reference, path: cached });
  return hub.hubName(await hub.findHubFile(reference, { ...download, signal }));
}

/** Opens a URL or a file of the Hub. Errors: NetworkError, InvalidArgumentError, CapabilityError, QuotaError, IntegrityError, the signal's reason. */
export async function openUrlSource(text: string, options: OpenOptions): Promise<Source> {
  const download = options.download ?? {};
  if (download.sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(download.sha256)) {
    throw new InvalidArgumentError(`download.sha256: wanted 64 hexadecimal digits, got "${download.sha256}"`);
  }
  const place = locate(text, download);
  const home = download.cache === false ? undefined : await openHome(download);
  if (!home) {
    if (download.sha256 !== undefined) {
      throw new CapabilityError(`${place.name}: a sha256 can only be checked where the model may be kept: allow the model cache`);
    }
    return new UrlSource(place.name, await probe(place.url, place.http, options.signal), place.http);
  }
  const key = keyOf(place.url);
  const info = await currentEntry(home, key, place, options);
  const source = await CachedSource.open({ home, key, info, http: place.http });
  try {
    // A server without ranges gives the header only with everything behind it: then with progress.
    if (!info.ranges) await downloadAll([source], options);
  } catch (error) {
    await source.close();
    throw error;
  }
  return source;
}

function locate(text: string, download: DownloadOptions): Place {
  const url = hub.isHubReference(text) ? undefined : new URL(text);
  if (url && url.username + url.password !== "") {
    throw new InvalidArgumentError(`${showUrl(text)}: a URL must not hold a login: pass it in download.headers`);
  }
  const hubFile = url ? hub.hubFileOf(url, download) : hub.parseHubReference(text);
  if (!hubFile) return { name: showUrl(text), url: text.replace(/#.*$/, ""), http: download };
  const { path } = hubFile;
  if (path === undefined)
    throw new InvalidArgumentError(`${text}: wanted a file of the repository, got none: name one, as in ${text}/file.gguf`);
  const file = { ...hubFile, path };
  const http = { ...download, headers: hub.hubHeaders(download) };
  return { name: hub.hubName(file), url: hub.hubFileUrl(file, download), hubFile: file, http };
}

/** What the cache has of a file, or what the server has where the cache does not know enough. */
async function currentEntry(home: Home, key: string, place: Place, { download = {}, signal }: OpenOptions): Promise<EntryInfo> {
  const cached = await readEntry(home, key);
  const sha256 = download.sha256?.toLowerCase();
  if (cached?.complete && !download.revalidate) {
    // What was not checked against this sum before is checked now.
    const same = sha256 === undefined || sha256 === cached.sha256;
    return { ...cached, url: place.url, sha256: sha256 ?? cached.sha256, complete: same };
  }
  try {
    const facts = place.hubFile && (await hub.hubFacts(place.hubFile, { ...download, signal }));
    const remote = await probe(place.url, place.http, signal);
    const known = { ...remote, sha256: sha256 ?? facts?.sha256 };
    const same = cached && sameVersion(cached, remote) && (known.sha256 ?? cached.sha256) === (cached.sha256 ?? known.sha256);
    if (same) return { ...cached, ...known, complete: cached.complete && known.sha256 === cached.sha256 };
    await home.remove(key);
    const fileName = fileNameOf(place.url);
    const added = new Date().toISOString();
    const fresh = { name: place.name, fileName, ...known, pieceBytes: pieceBytesFor(remote.bytes), complete: false, added };
    await writeEntry(home, key, fresh);
    return fresh;
  } catch (error) {
    if (cached?.complete && error instanceof NetworkError && error.status === undefined) return cached;
    throw error;
  }
}

/** Paths of a repository's files that are in the cache. */
async function completePaths(home: Home, { repo, revision }: hub.HubReference): Promise<string[]> {
  const entries = await Promise.all((await home.keys()).map((key) => readEntry(home, key)));
  const files = entries.flatMap((entry) => (entry?.complete && hub.isHubReference(entry.name) ? [hub.parseHubReference(entry.name)] : []));
  return files.flatMap((file) => (file.repo === repo && file.revision === revision && file.path ? [file.path] : []));
}
