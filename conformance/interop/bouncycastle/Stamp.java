import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.bouncycastle.tsp.TSPAlgorithms;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampResponseGenerator;
import org.bouncycastle.tsp.TimeStampTokenGenerator;
import org.bouncycastle.util.CollectionStore;

/**
 * A key, a request for its certificate and a time-stamp, all made by Bouncy Castle.
 *
 * <pre>
 * key KIND ALGORITHM KEY REQUEST                 makes a key of KIND, writes it and a request signed by it
 * stamp ALGORITHM KEY UNIT AUTHORITY CONTENT ANSWER    asks, stamps, and writes the TimeStampResp
 * </pre>
 *
 * Files are DER, keys PKCS#8.
 */
public final class Stamp {
    private static final String POLICY = "1.3.6.1.4.1.32473.1";

    private Stamp() {}

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        if (words[0].equals("key")) {
            key(words[1], words[2], words[3], words[4]);
        } else {
            stamp(words);
        }
    }

    private static void key(String kind, String algorithm, String keyPath, String requestPath) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance(kind, "BC");
        if (kind.equals("EC")) {
            generator.initialize(new ECGenParameterSpec("P-256"));
        } else if (kind.equals("RSA")) {
            generator.initialize(3072);
        }
        KeyPair pair = generator.generateKeyPair();
        Files.write(Path.of(keyPath), pair.getPrivate().getEncoded());
        ContentSigner signer = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(pair.getPrivate());
        X500Name name = new X500Name("C=JP,O=Test,CN=Bouncy Castle unit");
        var request = new JcaPKCS10CertificationRequestBuilder(name, pair.getPublic()).build(signer);
        Files.write(Path.of(requestPath), request.getEncoded());
    }

    private static void stamp(String[] words) throws Exception {
        TimeStampResponse answer = answer(words[1], words[2], words[3], words[4], request(read(words[5])));
        Files.write(Path.of(words[6]), answer.getEncoded());
    }

    /** Answers a request with a key (PKCS#8) and its certificate, both named by their files. */
    static TimeStampResponse answer(
            String algorithm, String keyPath, String unitPath, String authorityPath, TimeStampRequest request)
            throws Exception {
        var unit = new X509CertificateHolder(read(unitPath));
        var authority = new X509CertificateHolder(read(authorityPath));
        // ECDSA with P-256 goes with SHA-256; for all others SHA-512 is what everybody supports.
        boolean short256 = algorithm.startsWith("SHA256");
        ASN1ObjectIdentifier digest = short256 ? NISTObjectIdentifiers.id_sha256 : NISTObjectIdentifiers.id_sha512;
        var key = BouncyCastleProvider.getPrivateKey(PrivateKeyInfo.getInstance(read(keyPath)));
        var signer = new JcaSimpleSignerInfoGeneratorBuilder()
            .setProvider("BC").setContentDigest(new AlgorithmIdentifier(digest)).build(algorithm, key, unit);
        var calculator = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build()
            .get(new AlgorithmIdentifier(digest));
        var tokens = new TimeStampTokenGenerator(signer, calculator, new ASN1ObjectIdentifier(POLICY));
        tokens.setAccuracySeconds(1);
        tokens.addCertificates(new CollectionStore<>(List.of(unit, authority)));
        var answers = new TimeStampResponseGenerator(tokens, TSPAlgorithms.ALLOWED);
        return answers.generate(request, BigInteger.valueOf(4711), new Date());
    }

    private static TimeStampRequest request(byte[] content) throws Exception {
        TimeStampRequestGenerator requests = new TimeStampRequestGenerator();
        requests.setCertReq(true);
        byte[] imprint = MessageDigest.getInstance("SHA-512", "BC").digest(content);
        return requests.generate(TSPAlgorithms.SHA512, imprint, BigInteger.valueOf(7));
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }
}
