// ML-DSA, SLH-DSA and ML-KEM of @noble/post-quantum.
import { ml_dsa44, ml_dsa65, ml_dsa87 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768, ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import { slh_dsa_sha2_192s, slh_dsa_sha2_256s } from "@noble/post-quantum/slh-dsa.js";
import { octets, run } from "./jobs.mjs";

const ALGORITHMS = {
  "ml-dsa-44": ml_dsa44,
  "ml-dsa-65": ml_dsa65,
  "ml-dsa-87": ml_dsa87,
  "slh-dsa-sha2-192s": slh_dsa_sha2_192s,
  "slh-dsa-sha2-256s": slh_dsa_sha2_256s,
  "ml-kem-768": ml_kem768,
  "ml-kem-1024": ml_kem1024,
};

const pair = (job) => ALGORITHMS[job.algorithm].keygen(octets(job.seed));
const options = (job) => (job.context === undefined ? {} : { context: octets(job.context) });

run({
  public: (job) => ({ public: pair(job).publicKey }),
  sign: (job) => ({
    signature: ALGORITHMS[job.algorithm].sign(octets(job.message), pair(job).secretKey, options(job)),
  }),
  verify: (job) =>
    ALGORITHMS[job.algorithm].verify(
      octets(job.signature), octets(job.message), octets(job.public), options(job)),
  encapsulate: (job) => {
    const { cipherText, sharedSecret } = ALGORITHMS[job.algorithm].encapsulate(octets(job.public));
    return { ciphertext: cipherText, secret: sharedSecret };
  },
  decapsulate: (job) => ({
    secret: ALGORITHMS[job.algorithm].decapsulate(octets(job.ciphertext), pair(job).secretKey),
  }),
});
