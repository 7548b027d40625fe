import { useEffect, useState } from "preact/hooks";
import { type CachedModel, openModelCache } from "tandem-llm";
import { showBytes, showError } from "./show.ts";

interface CachedModelsProps {
  readonly onUse: (name: string) => void;
  /** Changes when the list may have. */
  readonly fresh: string;
}

/** Models that were downloaded into this browser. */
export function CachedModels({ onUse, fresh }: CachedModelsProps) {
  const [models, setModels] = useState<readonly CachedModel[]>([]);
  const [error, setError] = useState<unknown>();
  const list = async (remove?: string) => {
    try {
      const cache = await openModelCache();
      if (remove) await cache.remove(remove);
      setModels(await cache.list());
      setError(undefined);
    } catch (reason) {
      setError(reason);
    }
  };
  useEffect(() => void list(), [fresh]);
  const sum = models.reduce((bytes, { heldBytes }) => bytes + heldBytes, 0);
  return (
    <details>
      <summary>
        Kept in this browser: {models.length} {models.length === 1 ? "model" : "models"}, {showBytes(sum)}
      </summary>
      {error !== undefined && <p role="alert">{showError(error)}</p>}
      <ul class="cached">
        {models.map(({ key, name, bytes, heldBytes, complete }) => (
          <li key={key}>
            <span>
              {name}{" "}
              <span class="faint">
                {complete ? showBytes(bytes) : `${showBytes(heldBytes)} of ${showBytes(bytes)}, goes on when loaded`}
              </span>
            </span>
            <button type="button" onClick={() => onUse(name)} aria-label={`Use ${name}`}>
              Use
            </button>
            <button type="button" onClick={() => list(key)} aria-label={`Delete ${name}`}>
              Delete
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
