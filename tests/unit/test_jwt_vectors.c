/* The examples of the RFCs: JWS (RFC 7515, appendix A) and JWT (RFC 7519, 3.1, 6.1 and A.1). */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_jwt/token.h"

/* {"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true} */
#define PAYLOAD                                                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define EXPIRY_MS UINT64_C(1300819380000)

/* RFC 7515 A.1 and RFC 7519 3.1 */
#define HS256                                                                                      \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD                                            \
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define HS256_KEY                                                                                  \
    "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4" \
    "hcgUuTwjAzZr1Z9CAow\"}"

/* RFC 7515 A.2 */
#define RS256                                                                                      \
    "eyJhbGciOiJSUzI1NiJ9." PAYLOAD                                                                \
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp" \
    "5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHl" \
    "b1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9Q" \
    "OYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RS256_KEY                                                                                  \
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Va" \
    "w-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg" \
    "0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Z" \
    "wKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"  \
    "\",\"e\":\"AQAB\"}"

/* RFC 7515 A.3 */
#define ES256                                                                                      \
    "eyJhbGciOiJFUzI1NiJ9." PAYLOAD                                                                \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define ES256_KEY                                                                                  \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

/* RFC 7515 A.5 and RFC 7519 6.1 */
#define NONE "eyJhbGciOiJub25lIn0." PAYLOAD "."

/* RFC 7519 A.1, an encrypted one; what is in its parts is never looked at. */
#define ENCRYPTED                                                                                  \
    "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.QR1Owv2ug2WyPBnbQrRARTeEk9kDO2w8qDcjiHnS" \
    "JflSdv1iNqhWXaKH4MqAkQtMoNfABIPJaZm0HaA415sv3aeuBWnD8J-Ui7Ah6cWafs3ZwwFKDFUUsWHSK-IPKxLGTkND" \
    "09XyjORj_CHAgOPJ-Sd8ONQRnJvWn_hXV1BNMHzUjPyYwEsRhDhzjAD26imasOTsgruobpYGoQcXUwFDn7moXPRfDE8-" \
    "NoQX7N7ZYMmpUDkR-Cx9obNGwJQ3nM52YCitxoQVPzjbl7WBuB7AohdBoZOdZ24WlN1lVIeh8v1K4krB8xgKvRU8kgFr" \
    "En_a1rZgN5TiysnmzTROF869lQ.AxY8DCtDaGlsbGljb3RoZQ.MKOle7UQrG6nSxTLX6Mqwt0orbHvAKeWnDYvpIAeZ7" \
    "2deHxz3roJDXQyhxx0wKaMHDjUEOKIwrtkHthpqEanSBNYHZgmNOV7sln1Eu9g3J8.fiK51VwhsxJ-siBMR-YFiA"

static enum jwt_refusal verify(const char *key, const char *token, uint64_t now_ms) {
    char *set = NULL;
    char wrong[256] = "";
    struct jwt_identity identity;
    const struct jwt_settings settings = {
        .algorithms = UINT32_MAX,
        .issuers = {{"joe"}, 1},
        .require_expiry = true,
        .max_token = 8192,
        .user = "iss",
        .fixed_kind = MUSTER_PRINCIPAL_USER,
    };
    assert_true(asprintf(&set, "{\"keys\":[%s]}", key) > 0);
    struct jwt_keys *keys = jwt_keys_read(set, strlen(set), wrong, sizeof wrong);
    if (keys == NULL)
        fail_msg("%s", wrong);
    free(set);
    enum jwt_refusal refusal = jwt_token_verify(&settings, keys, token, strlen(token),
                                                MUSTER_PURPOSE_CALLER, NULL, now_ms, &identity);
    if (refusal == JWT_ACCEPTED) {
        assert_string_equal(identity.user, "joe");
        assert_int_equal(identity.until_ms, EXPIRY_MS);
        jwt_identity_deinit(&identity);
    }
    jwt_keys_unref(&keys);
    return refusal;
}

static void test_signed(void **state) {
    static const struct {
        const char *key;
        const char *token;
    } examples[] = {{HS256_KEY, HS256}, {RS256_KEY, RS256}, {ES256_KEY, ES256}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(verify(examples[i].key, examples[i].token, EXPIRY_MS - 1), JWT_ACCEPTED);
        assert_int_equal(verify(examples[i].key, examples[i].token, EXPIRY_MS),
                         JWT_REFUSED_EXPIRED);
        /* With the key of another example. */
        assert_int_equal(verify(examples[(i + 1) % 3].key, examples[i].token, EXPIRY_MS - 1),
                         i == 0 ? JWT_REFUSED_PUBLIC_AS_SECRET : JWT_REFUSED_NO_KEY);
    }
}

static void test_unsigned_and_encrypted(void **state) {
    (void)state;
    assert_true(jwt_token_is_one(NONE, strlen(NONE)));
    assert_int_equal(verify(RS256_KEY, NONE, EXPIRY_MS - 1), JWT_REFUSED_NONE);
    assert_true(jwt_token_is_one(ENCRYPTED, strlen(ENCRYPTED)));
    assert_int_equal(verify(RS256_KEY, ENCRYPTED, EXPIRY_MS - 1), JWT_REFUSED_ENCRYPTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_unsigned_and_encrypted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
