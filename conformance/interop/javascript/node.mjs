// Signatures, certificates and key encapsulation of Node.js, which is OpenSSL inside.
import {
  X509Certificate, createPrivateKey, createPublicKey, decapsulate, encapsulate, sign, verify,
} from "node:crypto";
import { octets, run } from "./jobs.mjs";

const publicKey = (job) =>
  createPublicKey({ key: Buffer.from(octets(job.public)), format: "der", type: "spki" });
const privateKey = (job) =>
  createPrivateKey({ key: Buffer.from(octets(job.private)), format: "der", type: "pkcs8" });
const withContext = (key, job) => (job.context === undefined ? key : { key, context: octets(job.context) });

run({
  sign: (job) => ({ signature: sign(null, octets(job.message), withContext(privateKey(job), job)) }),
  verify: (job) =>
    verify(null, octets(job.message), withContext(publicKey(job), job), octets(job.signature)),
  issued: (job) => {
    const [certificate, issuer] = [job.certificate, job.issuer].map((der) => new X509Certificate(octets(der)));
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  },
  encapsulate: (job) => {
    const { sharedKey, ciphertext } = encapsulate(publicKey(job));
    return { secret: sharedKey, ciphertext };
  },
  decapsulate: (job) => ({ secret: decapsulate(privateKey(job), octets(job.ciphertext)) }),
});
