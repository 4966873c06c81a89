import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStampGenerator;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.tsp.ers.ERSEvidenceRecordGenerator;

/**
 * Evidence records (RFC 4998) judged, made and renewed by Bouncy Castle.
 *
 * <pre>
 * judge                                reads lines RECORD UNIT FILE...: prints `valid` or `refused: REASON`
 * make AUTHORITY... DIGEST FOLDER      reads lines FILE..., a group each: writes FOLDER/0.er, 1.er and so on
 * renew AUTHORITY... RECORD OUT        a time-stamp renewal
 * rehash AUTHORITY... DIGEST RECORD OUT FILE...    a hash-tree renewal
 * </pre>
 *
 * AUTHORITY... is ALGORITHM KEY UNIT AUTHORITY as in `Stamp`; DIGEST an OID. The fields of lines are parted by
 * tabulators.
 */
public final class Evidence {
    private static DigestCalculatorProvider digests;

    private Evidence() {}

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        switch (words[0]) {
            case "judge":
                judge();
                break;
            case "make":
                make(words);
                break;
            case "renew":
                renew(words);
                break;
            default:
                rehash(words);
        }
    }

    private static void judge() throws Exception {
        for (String[] job : lines()) {
            try {
                ERSEvidenceRecord record = new ERSEvidenceRecord(read(job[0]), digests);
                record.validate(by(job[1]));
                record.validatePresent(data(job, 2), new Date());
                System.out.println("valid");
            } catch (Exception reason) {
                System.out.println("refused: " + String.valueOf(reason).replace('\n', ' '));
            }
        }
    }

    private static void make(String[] words) throws Exception {
        var generator = new ERSArchiveTimeStampGenerator(digest(words[5]));
        for (String[] group : lines()) {
            generator.addData(data(group, 0));
        }
        TimeStampRequest request = generator.generateTimeStampRequest(requests());
        var stamps = generator.generateArchiveTimeStamps(answer(words, request));
        int number = 0;
        for (ERSEvidenceRecord record : new ERSEvidenceRecordGenerator(digests).generate(stamps)) {
            Files.write(Path.of(words[6], number++ + ".er"), record.getEncoded());
        }
    }

    private static void renew(String[] words) throws Exception {
        ERSEvidenceRecord record = new ERSEvidenceRecord(read(words[5]), digests);
        TimeStampRequest request = record.generateTimeStampRenewalRequest(requests());
        Files.write(Path.of(words[6]), record.renewTimeStamp(answer(words, request)).getEncoded());
    }

    private static void rehash(String[] words) throws Exception {
        ERSEvidenceRecord record = new ERSEvidenceRecord(read(words[6]), digests);
        ERSData data = data(words, 8);
        TimeStampRequest request = record.generateHashRenewalRequest(digest(words[5]), data, requests());
        ERSEvidenceRecord renewed = record.renewHash(digest(words[5]), data, answer(words, request));
        Files.write(Path.of(words[7]), renewed.getEncoded());
    }

    private static TimeStampResponse answer(String[] words, TimeStampRequest request) throws Exception {
        return Stamp.answer(words[1], words[2], words[3], words[4], request);
    }

    private static TimeStampRequestGenerator requests() {
        var requests = new TimeStampRequestGenerator();
        requests.setCertReq(true);
        return requests;
    }

    private static DigestCalculator digest(String oid) throws Exception {
        return digests.get(new AlgorithmIdentifier(new ASN1ObjectIdentifier(oid)));
    }

    private static ERSData data(String[] words, int from) throws Exception {
        List<ERSData> objects = new ArrayList<>();
        for (String path : Arrays.copyOfRange(words, from, words.length)) {
            objects.add(new ERSByteData(read(path)));
        }
        return objects.size() == 1 ? objects.get(0) : new ERSDataGroup(objects);
    }

    private static SignerInformationVerifier by(String unit) throws Exception {
        return new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(new X509CertificateHolder(read(unit)));
    }

    private static List<String[]> lines() throws Exception {
        List<String[]> found = new ArrayList<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            found.add(line.split("\t"));
        }
        return found;
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }
}
