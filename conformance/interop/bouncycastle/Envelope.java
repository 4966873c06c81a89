import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Security;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Collection;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.KEMRecipientInformation;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SimpleAttributeTableGenerator;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKEMAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKEMRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.util.encoders.Hex;

/**
 * Opens and seals CMS envelopes to an ML-KEM key with Bouncy Castle.
 *
 * <pre>
 * open KEY ENVELOPE                     prints the content type, writes the content to ENVELOPE.opened
 * seal key SPKI IDENTIFIER CONTENT TYPE  to a public key, named by a key identifier in hexadecimal
 * seal certificate FILE CONTENT TYPE     to a certificate, named by issuer and serial number
 * </pre>
 *
 * Sealing writes to CONTENT.sealed. Files are DER; keys are PKCS#8 with a seed, and SubjectPublicKeyInfo.
 */
public final class Envelope {
    private Envelope() {}

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        if (words[0].equals("open")) {
            open(read(words[1]), words[2]);
        } else if (words[1].equals("key")) {
            PublicKey key = keys().generatePublic(new X509EncodedKeySpec(read(words[2])));
            seal(new JceKEMRecipientInfoGenerator(Hex.decode(words[3]), key, CMSAlgorithm.AES256_WRAP),
                words[4], words[5]);
        } else {
            X509CertificateHolder holder = new X509CertificateHolder(read(words[2]));
            var certificate = new JcaX509CertificateConverter().setProvider("BC").getCertificate(holder);
            seal(new JceKEMRecipientInfoGenerator(certificate, CMSAlgorithm.AES256_WRAP), words[3], words[4]);
        }
    }

    private static void open(byte[] pkcs8, String path) throws Exception {
        CMSAuthEnvelopedData data = new CMSAuthEnvelopedData(read(path));
        Collection<RecipientInformation> recipients = data.getRecipientInfos().getRecipients();
        if (recipients.size() != 1) {
            throw new IllegalStateException(recipients.size() + " recipients");
        }
        KEMRecipientInformation recipient = (KEMRecipientInformation) recipients.iterator().next();
        var key = keys().generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
        var content = recipient.getContentStream(new JceKEMAuthEnvelopedRecipient(key).setProvider("BC"));
        Files.write(Path.of(path + ".opened"), content.getContentStream().readAllBytes());
        System.out.println(content.getContentType());
    }

    private static void seal(JceKEMRecipientInfoGenerator recipient, String path, String type) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        // RFC 9936 §2.2: the KDF that everybody supports.
        recipient.setProvider("BC").setKDF(new AlgorithmIdentifier(PKCSObjectIdentifiers.id_alg_hkdf_with_sha256));
        generator.addRecipientInfoGenerator(recipient);
        ASN1ObjectIdentifier oid = new ASN1ObjectIdentifier(type);
        if (!oid.equals(PKCSObjectIdentifiers.data)) {
            // The generator that Bouncy Castle has for this wants a digest, which this format has not.
            Attribute attribute = new Attribute(CMSAttributes.contentType, new DERSet(oid));
            generator.setAuthenticatedAttributeGenerator(
                new SimpleAttributeTableGenerator(new AttributeTable(attribute)));
        }
        OutputAEADEncryptor encryptor = (OutputAEADEncryptor)
            new JceCMSContentEncryptorBuilder(NISTObjectIdentifiers.id_aes256_GCM).setProvider("BC").build();
        var content = new CMSProcessableByteArray(oid, read(path));
        Files.write(Path.of(path + ".sealed"), generator.generate(content, encryptor).getEncoded());
    }

    private static KeyFactory keys() throws Exception {
        return KeyFactory.getInstance("ML-KEM", "BC");
    }

    private static byte[] read(String path) throws Exception {
        return Files.readAllBytes(Path.of(path));
    }
}
