// Time-stamp tokens read by PKI.js, and their signature verified where WebCrypto knows the algorithm.
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { octets, run } from "./jobs.mjs";

const signedData = (job) => {
  const content = pkijs.ContentInfo.fromBER(octets(job.token));
  return new pkijs.SignedData({ schema: content.content });
};

run({
  read: (job) => {
    const signed = signedData(job);
    const [signer] = signed.signerInfos;
    const info = pkijs.TSTInfo.fromBER(signed.encapContentInfo.eContent.getValue());
    const time = info.genTime.getTime().toString();
    return [
      signer.signatureAlgorithm.algorithmId, signer.digestAlgorithm.algorithmId, signer.signedAttrs.attributes.length,
      signed.certificates.length, info.policy, time,
    ].join(" ");
  },
  verify: async (job) => {
    const data = octets(job.content).buffer;
    const trustedCerts = (job.roots ?? []).map((root) => pkijs.Certificate.fromBER(octets(root)));
    try {
      return await signedData(job).verify({ signer: 0, data, checkChain: job.roots !== undefined, trustedCerts });
    } catch (error) {
      // How it says that a signature does not verify.
      if (error instanceof pkijs.SignedDataVerifyError) return false;
      throw error;
    }
  },
});
