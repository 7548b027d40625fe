/**
 * The relaxed build against the f64 product, for runtimes that run it when the test runner's own cannot: `deno run -A` this file.
 * Prints one line per failure and "ok" at the end.
 */

import { formats } from "../../ts/graph/formats.ts";
import { builds } from "./kernels.ts";
import { blockOf, MatmulRig } from "./matmul_rig.ts";
import { normals, random } from "./weights.ts";

if (!builds().includes("relaxed")) {
  console.log("no relaxed build, or no relaxed SIMD here");
} else {
  const relaxed = new MatmulRig("relaxed");
  const simd = new MatmulRig("simd");
  let failures = 0;
  for (const tile of [0, 1, 2, 3]) {
    relaxed.kernels.run.holdTile!(tile);
    for (const { name } of formats) {
      const next = random(11);
      for (const T of [1, 2, 3, 4, 5, 21, 33]) {
        for (const blocks of [1, 2, 5]) {
          const [N, K] = [19, blocks * blockOf(name)];
          const w = relaxed.weights(name, N, K, next);
          const whole = relaxed.wholeNumbers(T, K, next);
          const exact = relaxed.worst(relaxed.matmul(name, whole, w, T, N, K).out, relaxed.product(name, whole, w, T, N, K));
          const x = normals(T * K, next);
          const all = relaxed.matmul(name, x, w, T, N, K).out;
          const builds = relaxed.worst(all, simd.matmul(name, x, w, T, N, K).out);
          const alone = relaxed.matmul(name, x.slice(0, K), w, 1, N, K).out.every((value, n) => value === all[n]); // token 0, the same bits
          if (exact < 1e-5 && builds < 1.5e-6 && alone) continue;
          failures++;
          console.log(`tile ${tile} ${name} T ${T} K ${K}: ${exact} from the f64 product, ${builds} between the builds, alone ${alone}`);
        }
      }
    }
  }
  // As many panels as three duels between tiles take, whose halves are not of one size.
  const free = new MatmulRig("relaxed");
  const [T, N, K] = [70, 8 * 1600, 256];
  const w = free.weights("Q6_K", N, K, random(12));
  const x = normals(T * K, random(13));
  const all = free.matmul("Q6_K", x, w, T, N, K).out;
  for (const t of [0, 34, 35, 36, 69]) {
    const alone = free.matmul("Q6_K", x.slice(t * K, (t + 1) * K), w, 1, N, K).out;
    if (alone.every((value, n) => value === all[t * N + n])) continue;
    failures++;
    console.log(`tiles in turn: token ${t} differs from its product alone`);
  }
  if (failures === 0) console.log("ok");
}
