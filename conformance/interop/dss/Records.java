import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.validation.CertificateVerifier;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;

/**
 * Judges evidence records (RFC 4998), and time-stamps with records beside, by the default policy; asks no network.
 *
 * <p>Words: a folder as in {@link Seals}. Reads lines KIND, TIME, FILE and more files, parted by tabulators: "record"
 * with its data objects, or "token" with its data and then its records. Prints a line a job: of each time-stamp and
 * each record indication, sub-indication, errors and warnings; or why there is no report.
 */
public final class Records {
  private Records() {}

  public static void main(String[] words) throws Exception {
    CertificateVerifier verifier = Seals.verifier(new File(words[0]));
    BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in));
    for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
      System.out.println(judged(List.of(line.split("\t")), verifier));
    }
  }

  private static String judged(List<String> job, CertificateVerifier verifier) {
    try {
      SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(job.get(2)));
      validator.setCertificateVerifier(verifier);
      validator.setValidationTime(Date.from(Instant.parse(job.get(1))));
      List<DSSDocument> files = new ArrayList<>();
      for (String path : job.subList(3, job.size())) {
        files.add(new FileDocument(path));
      }
      int records = job.get(0).equals("token") ? 1 : files.size();
      validator.setDetachedContents(files.subList(0, records));
      validator.setDetachedEvidenceRecordDocuments(files.subList(records, files.size()));
      return told(validator.validateDocument().getSimpleReport());
    } catch (RuntimeException none) { // whatever it trips over: it makes no report
      return "no report: " + String.valueOf(none).replace('\n', ' ');
    }
  }

  private static String told(SimpleReport report) {
    List<String> found = new ArrayList<>();
    for (String id : report.getTimestampIdList()) {
      found.add("time-stamp " + told(report, id));
    }
    for (String id : report.getEvidenceRecordIdList()) {
      found.add("record " + told(report, id));
    }
    return String.join("; ", found);
  }

  private static String told(SimpleReport report, String id) {
    String said = report.getIndication(id) + " " + report.getSubIndication(id);
    for (Message error : report.getAdESValidationErrors(id)) {
      said += ", " + error.getValue();
    }
    for (Message warning : report.getAdESValidationWarnings(id)) {
      said += ", warning: " + warning.getValue();
    }
    return said;
  }
}
