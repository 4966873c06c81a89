import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.DSSException;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.signature.AdvancedSignature;
import eu.europa.esig.dss.spi.validation.CertificateVerifier;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.File;
import java.util.ArrayList;
import java.util.List;

/**
 * Validates sealed documents by the default policy, with a root and the lists beside it, and asks no network.
 *
 * <p>Words: a folder with root.der and *.crl, then documents; one with data beside it is "seal,data,name".
 * Prints a line a document: format, indication, sub-indication and errors of each signature. Where it makes no
 * report, the line says why, and which signatures are intact.
 */
public final class Seals {
  public static void main(String[] words) throws Exception {
    CertificateVerifier verifier = verifier(new File(words[0]));
    for (int at = 1; at < words.length; at++) {
      System.out.println(validate(words[at].split(","), verifier));
    }
  }

  /** Trusts the roots of a folder (root*.der), knows the lists in it, and asks nobody else. */
  static CertificateVerifier verifier(File folder) {
    CommonTrustedCertificateSource trust = new CommonTrustedCertificateSource();
    for (File file : folder.listFiles((where, name) -> name.startsWith("root") && name.endsWith(".der"))) {
      trust.addCertificate(DSSUtils.loadCertificate(file));
    }
    List<DSSDocument> lists = new ArrayList<>();
    for (File file : folder.listFiles((where, name) -> name.endsWith(".crl"))) {
      lists.add(new FileDocument(file));
    }
    ExternalResourcesCRLSource known = new ExternalResourcesCRLSource(lists.toArray(new DSSDocument[0]));
    CommonCertificateVerifier verifier = new CommonCertificateVerifier();
    verifier.setTrustedCertSources(trust);
    verifier.setCrlSource(
        (certificate, issuer) -> known.getRevocationTokens(certificate, issuer).stream().findFirst().orElse(null));
    return verifier;
  }

  private static String validate(String[] files, CertificateVerifier verifier) {
    SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(files[0]));
    validator.setCertificateVerifier(verifier);
    if (files.length > 1) {
      FileDocument beside = new FileDocument(files[1]);
      beside.setName(files[2]);
      validator.setDetachedContents(List.of(beside));
    }
    try {
      return told(validator.validateDocument().getSimpleReport());
    } catch (IllegalArgumentException | DSSException unknown) { // a key of an algorithm that it does not know
      List<String> found = new ArrayList<>(List.of("no report: " + unknown.getMessage()));
      for (AdvancedSignature signature : validator.getSignatures()) {
        signature.checkSignatureIntegrity();
        found.add(signature.getSignatureCryptographicVerification().isSignatureIntact() ? "intact" : "not intact");
      }
      return String.join("; ", found);
    }
  }

  private static String told(SimpleReport report) {
    List<String> found = new ArrayList<>();
    for (String id : report.getSignatureIdList()) {
      String said = report.getSignatureFormat(id) + " " + report.getIndication(id) + " " + report.getSubIndication(id);
      for (Message error : report.getAdESValidationErrors(id)) {
        said += ", " + error.getValue();
      }
      found.add(said);
    }
    return String.join("; ", found);
  }
}
