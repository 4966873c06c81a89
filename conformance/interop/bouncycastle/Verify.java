import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;

/**
 * Judges a token as a relying party does: its signer, the path to an anchor at a time, the imprint.
 *
 * <p>Reads lines `FILE ANCHORS HELPERS DIGEST SECONDS`, separated by tabs; prints `valid` or `refused: REASON` for each.
 * FILE is a token or a response, ANCHORS and HELPERS are certificates one after the other (DER), DIGEST is that of the
 * data (hex), SECONDS since 1970 is the validation time.
 */
public final class Verify {
    private Verify() {}

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                judge(line.split("\t"));
                System.out.println("valid");
            } catch (Exception reason) {
                System.out.println("refused: " + String.valueOf(reason).replace('\n', ' '));
            }
        }
    }

    private static void judge(String[] job) throws Exception {
        TimeStampToken token = token(Files.readAllBytes(Path.of(job[0])));
        Collection<X509Certificate> anchors = certificates(job[1]);
        List<X509Certificate> known = new ArrayList<>(anchors);
        known.addAll(certificates(job[2]));
        JcaX509CertificateConverter converter = new JcaX509CertificateConverter().setProvider("BC");
        for (X509CertificateHolder holder : token.getCertificates().getMatches(null)) {
            known.add(converter.getCertificate(holder));
        }
        X509Certificate signer = signer(token, known);
        path(signer, anchors, known, new Date(1000 * Long.parseLong(job[4])));
        if (!Arrays.equals(HexFormat.of().parseHex(job[3]), token.getTimeStampInfo().getMessageImprintDigest())) {
            throw new IllegalArgumentException("another imprint");
        }
    }

    private static TimeStampToken token(byte[] octets) throws Exception {
        // A response begins with PKIStatusInfo, a token with the OID of SignedData.
        if (ASN1Sequence.getInstance(octets).getObjectAt(0) instanceof ASN1Sequence) {
            TimeStampToken token = new TimeStampResponse(octets).getTimeStampToken();
            if (token == null) {
                throw new IllegalArgumentException("no token");
            }
            return token;
        }
        return new TimeStampToken(new CMSSignedData(octets));
    }

    private static X509Certificate signer(TimeStampToken token, List<X509Certificate> known) throws Exception {
        Exception found = new IllegalArgumentException("no certificate of the signer");
        for (X509Certificate each : known) {
            X509CertificateHolder holder = new X509CertificateHolder(each.getEncoded());
            if (!token.getSID().match(holder)) {
                continue;
            }
            try {
                token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(holder));
                return each;
            } catch (Exception reason) {
                found = reason;
            }
        }
        throw found;
    }

    private static void path(
            X509Certificate signer, Collection<X509Certificate> anchors, List<X509Certificate> known, Date at)
            throws Exception {
        Set<TrustAnchor> trusted = new HashSet<>();
        for (X509Certificate each : anchors) {
            trusted.add(new TrustAnchor(each, null));
        }
        X509CertSelector wanted = new X509CertSelector();
        wanted.setCertificate(signer);
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(trusted, wanted);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known), "BC"));
        parameters.setRevocationEnabled(false);
        parameters.setDate(at);
        CertPathBuilder.getInstance("PKIX", "BC").build(parameters);
    }

    private static Collection<X509Certificate> certificates(String path) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        List<X509Certificate> found = new ArrayList<>();
        ByteArrayInputStream input = new ByteArrayInputStream(Files.readAllBytes(Path.of(path)));
        while (input.available() > 0) {
            found.add((X509Certificate) factory.generateCertificate(input));
        }
        return found;
    }
}
