/** What preload.cjs gives the page. */
interface Window {
  readonly tandem: {
    /** Resolves with the finish reason; `onText` is called for each piece of text. Rejects with the engine's message. */
    generate(prompt: string, onText: (text: string) => void): { id: number; done: Promise<string> };
    stop(id: number): void;
  };
}
