/** What a fake OPFS can be told. */
export interface FakeOptions {
  /** Bytes that all files together may have. Default: no limit. */
  quota?: number;
  /** Whether files have createSyncAccessHandle, as in a worker. */
  worker?: boolean;
}

type Contents = { bytes: Uint8Array<ArrayBuffer>; locked: boolean };
type Entry = FakeDirectory | Contents;

/** The origin-private file system as the standard describes it (fs.spec.whatwg.org), in memory: as much of it as a model cache uses. */
export class FakeDirectory {
  readonly kind = "directory";
  readonly name: string;
  readonly options: FakeOptions;
  readonly #root: FakeDirectory;
  readonly #entries = new Map<string, Entry>();

  constructor(options: FakeOptions, name = "", root?: FakeDirectory) {
    this.name = name;
    this.options = options;
    this.#root = root ?? this;
  }

  /** As the page gets it. */
  get handle(): FileSystemDirectoryHandle {
    return this as unknown as FileSystemDirectoryHandle;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeDirectory> {
    const found = this.#find(name, create);
    if (found instanceof FakeDirectory) return found;
    if (found) throw new DOMException("a file", "TypeMismatchError");
    const made = new FakeDirectory(this.options, name, this.#root);
    this.#entries.set(name, made);
    return made;
  }

  async getFileHandle(name: string, { create = false } = {}) {
    const found = this.#find(name, create);
    if (found instanceof FakeDirectory) throw new DOMException("a directory", "TypeMismatchError");
    const contents = found ?? { bytes: new Uint8Array(0), locked: false };
    this.#entries.set(name, contents);
    return this.#fileHandle(name, contents);
  }

  async removeEntry(name: string, { recursive = false } = {}): Promise<void> {
    const found = this.#find(name, false);
    if (found instanceof FakeDirectory && found.#entries.size > 0 && !recursive) {
      throw new DOMException("not empty", "InvalidModificationError");
    }
    if (found?.locked) throw new DOMException("locked", "NoModificationAllowedError");
    this.#entries.delete(name);
  }

  async *entries() {
    for (const [name, entry] of [...this.#entries]) {
      yield [name, entry instanceof FakeDirectory ? entry : this.#fileHandle(name, entry)] as const;
    }
  }

  /** Of all files below. */
  get usedBytes(): number {
    return [...this.#entries.values()].reduce(
      (sum, entry) => sum + (entry instanceof FakeDirectory ? entry.usedBytes : entry.bytes.length),
      0,
    );
  }

  /** Of all files below, whether one is being written. */
  get locked(): boolean {
    return [...this.#entries.values()].some((entry) => entry.locked);
  }

  #find(name: string, create: boolean): Entry | undefined {
    if (name === "" || name === "." || name === ".." || name.includes("/")) throw new TypeError(`the name ${name} is not allowed`);
    const found = this.#entries.get(name);
    if (!found && !create) throw new DOMException(name, "NotFoundError");
    return found;
  }

  #fileHandle(name: string, contents: Contents) {
    const handle = {
      kind: "file",
      name,
      getFile: async () => new File([contents.bytes.slice()], name),
      createWritable: async () => this.#writable(contents),
    };
    if (!this.options.worker) return handle;
    return { ...handle, createSyncAccessHandle: async () => this.#syncHandle(contents) };
  }

  /** Writes go to a copy, which takes the file's place when it is closed. */
  #writable(contents: Contents) {
    let copy = new Uint8Array(0);
    return {
      write: async (bytes: Uint8Array) => {
        this.#checkQuota(bytes.length);
        copy = new Uint8Array([...copy, ...bytes]);
      },
      close: async () => {
        contents.bytes = copy;
      },
      abort: async () => {},
    };
  }

  /** One at a time for each file. */
  #syncHandle(contents: Contents) {
    if (contents.locked) throw new DOMException("locked", "NoModificationAllowedError");
    contents.locked = true;
    return {
      truncate: (bytes: number) => {
        contents.bytes = contents.bytes.slice(0, bytes);
      },
      write: (bytes: Uint8Array, { at }: { at: number }) => {
        this.#checkQuota(at + bytes.length - contents.bytes.length);
        const longer = new Uint8Array(Math.max(contents.bytes.length, at + bytes.length));
        longer.set(contents.bytes);
        longer.set(bytes, at);
        contents.bytes = longer;
        return bytes.length;
      },
      flush: () => {},
      close: () => {
        contents.locked = false;
      },
    };
  }

  #checkQuota(moreBytes: number): void {
    if (this.#root.usedBytes + moreBytes <= (this.options.quota ?? Number.POSITIVE_INFINITY)) return;
    throw new DOMException("quota", "QuotaExceededError");
  }
}

/** The Cache API in memory, as much of it as a model cache uses. */
export function fakeCaches(): CacheStorage {
  const responses = new Map<string, Blob>();
  const cache = {
    match: async (url: string) => {
      const blob = responses.get(url);
      return blob && new Response(blob);
    },
    put: async (url: string, response: Response) => void responses.set(url, await response.blob()),
    delete: async (url: string) => responses.delete(url),
    keys: async () => [...responses.keys()].map((url) => new Request(url)),
  };
  return { open: async () => cache } as unknown as CacheStorage;
}
