import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Threads need a page that is cross-origin isolated; without these headers everything runs too, on one thread. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({ base: "./", plugins: [react()], server: { headers }, preview: { headers } });
