import eu.europa.esig.dss.cades.CAdESSignatureParameters;
import eu.europa.esig.dss.cades.signature.CAdESService;
import eu.europa.esig.dss.enumerations.CertificationPermission;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.EncryptionAlgorithm;
import eu.europa.esig.dss.enumerations.JWSSerializationType;
import eu.europa.esig.dss.enumerations.SigDMechanism;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.jades.JAdESSignatureParameters;
import eu.europa.esig.dss.jades.signature.JAdESService;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.signature.AbstractSignatureParameters;
import eu.europa.esig.dss.signature.AbstractSignatureService;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CertificateVerifier;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;
import java.io.File;
import java.nio.file.Files;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Seals documents, or raises sealed ones, with its own time-stamps, and asks no network.
 *
 * <p>Words: a folder with root.der, *.crl, authority.der, and key and certificate of a unit (unit.p8, unit.der)
 * and of seals; then orders, each "result,document,key,level" and options, separated by commas. The key "none"
 * raises a sealed document. Options: certify, detached, parallel, clear, bare, pss, SHA384, SHA512, and what
 * JWSSerializationType and SigDMechanism name.
 */
public final class Makes {
  private static final Provider PROVIDER = new BouncyCastleProvider();

  private final File folder;
  private final CertificateToken authority;
  private final CertificateVerifier verifier;
  private final KeyEntityTSPSource stamps;

  private Makes(File folder) throws Exception {
    this.folder = folder;
    authority = certificate("authority");
    verifier = Seals.verifier(folder);
    List<CertificateToken> chain = List.of(certificate("unit"), authority);
    stamps = new KeyEntityTSPSource(key("unit"), chain.get(0), chain);
    stamps.setTsaPolicy("1.3.6.1.4.1.32473.1");
  }

  public static void main(String[] words) throws Exception {
    Makes maker = new Makes(new File(words[0]));
    for (int at = 1; at < words.length; at++) {
      List<String> order = List.of(words[at].split(","));
      maker.make(order.subList(0, 4), order.subList(4, order.size()));
    }
  }

  private void make(List<String> order, List<String> options) throws Exception {
    DSSDocument document = new FileDocument(order.get(1));
    SignatureLevel level = SignatureLevel.valueByName(order.get(3));
    DSSDocument result =
        switch (level.getSignatureForm()) {
          case PAdES -> make(new PAdESService(verifier), pades(options), document, order.get(2), level, options);
          case CAdES -> make(new CAdESService(verifier), cades(options), document, order.get(2), level, options);
          default -> make(new JAdESService(verifier), jades(options), document, order.get(2), level, options);
        };
    result.save(order.get(0));
  }

  private <P extends AbstractSignatureParameters<?>> DSSDocument make(
      AbstractSignatureService<P, ?> service, P how, DSSDocument document, String name, SignatureLevel level,
      List<String> options) throws Exception {
    service.setTspSource(stamps);
    how.setSignatureLevel(level);
    if (name.equals("none")) {
      return service.extendDocument(document, how);
    }
    CertificateToken certificate = certificate(name);
    how.setSigningCertificate(certificate);
    how.setCertificateChain(certificate, authority);
    how.setDigestAlgorithm(
        options.stream().filter(each -> each.startsWith("SHA")).findFirst().map(DigestAlgorithm::valueOf)
            .orElse(DigestAlgorithm.SHA256));
    EncryptionAlgorithm kind = EncryptionAlgorithm.forKey(certificate.getPublicKey());
    how.setEncryptionAlgorithm(options.contains("pss") ? EncryptionAlgorithm.RSASSA_PSS : kind);
    SignatureAlgorithm algorithm =
        SignatureAlgorithm.getAlgorithm(how.getEncryptionAlgorithm(), how.getDigestAlgorithm());
    Signature signer = Signature.getInstance(algorithm.getJCEId(), PROVIDER);
    signer.initSign(key(name));
    signer.update(service.getDataToSign(document, how).getBytes());
    return service.signDocument(document, how, new SignatureValue(algorithm, signer.sign()));
  }

  private static PAdESSignatureParameters pades(List<String> options) {
    PAdESSignatureParameters how = new PAdESSignatureParameters();
    if (options.contains("certify")) {
      how.setPermission(CertificationPermission.MINIMAL_CHANGES_PERMITTED);
    }
    return how;
  }

  private static CAdESSignatureParameters cades(List<String> options) {
    CAdESSignatureParameters how = new CAdESSignatureParameters();
    how.setSignaturePackaging(packaging(options));
    how.setParallelSignature(options.contains("parallel"));
    return how;
  }

  private static JAdESSignatureParameters jades(List<String> options) {
    JAdESSignatureParameters how = new JAdESSignatureParameters();
    how.setSignaturePackaging(packaging(options));
    how.setBase64UrlEncodedEtsiUComponents(!options.contains("clear"));
    how.setBase64UrlEncodedPayload(!options.contains("bare"));
    for (JWSSerializationType each : JWSSerializationType.values()) {
      if (options.contains(each.name())) {
        how.setJwsSerializationType(each);
      }
    }
    for (SigDMechanism each : SigDMechanism.values()) {
      if (options.contains(each.name())) {
        how.setSigDMechanism(each);
      }
    }
    return how;
  }

  private static SignaturePackaging packaging(List<String> options) {
    return options.contains("detached") ? SignaturePackaging.DETACHED : SignaturePackaging.ENVELOPING;
  }

  private CertificateToken certificate(String name) {
    return DSSUtils.loadCertificate(new File(folder, name + ".der"));
  }

  private PrivateKey key(String name) throws Exception {
    byte[] octets = Files.readAllBytes(new File(folder, name + ".p8").toPath());
    KeyFactory factory = KeyFactory.getInstance(certificate(name).getPublicKey().getAlgorithm(), PROVIDER);
    return factory.generatePrivate(new PKCS8EncodedKeySpec(octets));
  }
}
