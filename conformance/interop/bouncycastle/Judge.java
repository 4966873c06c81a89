import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.Security;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.BasicOCSPResp;
import org.bouncycastle.cert.ocsp.CertificateStatus;
import org.bouncycastle.cert.ocsp.OCSPResp;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * Judges what kokuin made. Reads lines of standard input, prints `valid` or `refused: REASON` for each.
 *
 * <pre>
 * certificate FILE ISSUER        its signature
 * request FILE                   its signature by its own key
 * crl FILE ISSUER                its signature
 * ocsp FILE ISSUER               its signature, and that it says good
 * path UNIT AUTHORITY ROOT       the whole path by PKIX
 * token FILE UNIT CONTENT        the token by the unit's certificate, and its imprint
 * </pre>
 *
 * Files are DER.
 */
public final class Judge {
    private Judge() {}

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] job = line.split("\t");
            try {
                System.out.println(judge(job) ? "valid" : "refused: signature");
            } catch (Exception reason) {
                System.out.println("refused: " + String.valueOf(reason).replace('\n', ' '));
            }
        }
    }

    private static boolean judge(String[] job) throws Exception {
        byte[] file = read(job[1]);
        switch (job[0]) {
            case "certificate":
                return new X509CertificateHolder(file).isSignatureValid(by(job[2]));
            case "request":
                PKCS10CertificationRequest request = new PKCS10CertificationRequest(file);
                return request.isSignatureValid(by(request.getSubjectPublicKeyInfo()));
            case "crl":
                return new X509CRLHolder(file).isSignatureValid(by(job[2]));
            case "ocsp":
                BasicOCSPResp answer = (BasicOCSPResp) new OCSPResp(file).getResponseObject();
                return answer.isSignatureValid(by(job[2]))
                    && answer.getResponses()[0].getCertStatus() == CertificateStatus.GOOD;
            case "path":
                return path(job);
            default:
                return token(new TimeStampToken(new CMSSignedData(file)), read(job[2]), read(job[3]));
        }
    }

    private static boolean path(String[] job) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        var path = factory.generateCertPath(List.of(certificate(factory, job[1]), certificate(factory, job[2])));
        PKIXParameters wanted = new PKIXParameters(Set.of(new TrustAnchor(certificate(factory, job[3]), null)));
        wanted.setRevocationEnabled(false);
        CertPathValidator.getInstance("PKIX", "BC").validate(path, wanted);
        return true;
    }

    private static boolean token(TimeStampToken token, byte[] unit, byte[] content) throws Exception {
        X509CertificateHolder certificate = new X509CertificateHolder(unit);
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate));
        var info = token.getTimeStampInfo();
        byte[] digest = MessageDigest.getInstance(info.getMessageImprintAlgOID().getId(), "BC").digest(content);
        if (!Arrays.equals(digest, info.getMessageImprintDigest())) {
            throw new IllegalArgumentException("another content");
        }
        return true;
    }

    private static X509Certificate certificate(CertificateFactory factory, String path) throws Exception {
        return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(read(path)));
    }

    private static ContentVerifierProvider by(String issuer) throws Exception {
        return by(new X509CertificateHolder(read(issuer)).getSubjectPublicKeyInfo());
    }

    private static ContentVerifierProvider by(SubjectPublicKeyInfo key) throws Exception {
        return new JcaContentVerifierProviderBuilder().setProvider("BC").build(key);
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }
}
