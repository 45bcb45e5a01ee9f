"""Secrets of every maker in every syntax are found, and what only looks like one isn't. All keys here are drawn at random."""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from router.config.schema import PrivacyConfig
from tests.fakes.gates import GATES

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
WORD, BASE36, HEX, BASE64 = UPPER + LOWER + DIGITS, LOWER + DIGITS, "0123456789abcdef", UPPER + LOWER + DIGITS + "+/"
DRAWS = 3

Draw = Callable[[str, int], str]


def _url64(draw: Draw, text: str) -> str:
    return base64.urlsafe_b64encode(f'{{"{text}":"{draw(LOWER, 12)}"}}'.encode()).decode().rstrip("=")


VENDOR_KEYS: dict[str, Callable[[Draw], str]] = {
    "AWS": lambda d: "AKIA" + d(UPPER + "234567", 16),
    "AWS without a digit": lambda d: "ASIA" + d(UPPER, 16),
    "Google": lambda d: "AIza" + d(WORD + "-_", 35),
    "Azure AD": lambda d: d(WORD, 3) + d(DIGITS, 1) + "Q~" + d(WORD + "_.~-", 31) + "x4",
    "GitHub": lambda d: "ghp_" + d(WORD, 36),
    "GitHub fine-grained": lambda d: "github_pat_" + d(WORD, 22) + "_" + d(WORD, 59),
    "GitLab": lambda d: "glpat-" + d(WORD, 20),
    "Slack": lambda d: "xoxb-" + d(DIGITS, 12) + "-" + d(DIGITS, 12) + "-" + d(WORD, 24),
    "Stripe": lambda d: "sk_live_" + d(WORD, 24),
    "Twilio": lambda d: "SK" + d(HEX, 32),
    "SendGrid": lambda d: "SG." + d(WORD, 22) + "." + d(WORD, 43),
    "OpenAI": lambda d: "sk-proj-" + d(WORD, 20) + "T3BlbkFJ" + d(WORD, 20),
    "Anthropic": lambda d: "sk-ant-api03-" + d(WORD + "-_", 93) + "AA",
    "Hugging Face": lambda d: "hf_" + d(UPPER + LOWER, 34),
    "npm": lambda d: "npm_" + d(WORD, 36),
    "PyPI": lambda d: "pypi-AgEIcHlwaS5vcmc" + d(WORD + "-_", 80),
    "JWT": lambda d: _url64(d, "alg") + "." + _url64(d, "sub") + "." + d(WORD + "-_", 43),
    "DigitalOcean": lambda d: "dop_v1_" + d(HEX, 64),
    "Shopify": lambda d: "shpat_" + d(HEX, 32),
    "Mailgun": lambda d: "key-" + d(HEX, 32),
    "Telegram": lambda d: d("123456789", 10) + ":A" + d(WORD + "-_", 34),
    "Vault": lambda d: "hvs." + d(WORD, 95),
    "Databricks": lambda d: "dapi" + d(HEX, 32),
    "Notion": lambda d: "ntn_" + d(DIGITS, 11) + d(WORD, 35),
    "Grafana": lambda d: "glsa_" + d(WORD, 32) + "_" + d(HEX, 8),
    "Sentry": lambda d: "sntryu_" + d(HEX, 64),
    "Postman": lambda d: "PMAK-" + d(HEX, 24) + "-" + d(HEX, 34),
    "Linear": lambda d: "lin_api_" + d(WORD, 40),
    "New Relic": lambda d: "NRAK-" + d(UPPER + DIGITS, 27),
}

FILES: dict[str, Callable[[Draw], str]] = {
    "postgres": lambda d: f"postgres://app:{d(WORD, 14)}@db.internal:5432/prod",
    "mysql": lambda d: f"mysql://root:{d(WORD, 10)}@10.1.2.3/shop",
    "mongodb": lambda d: f"mongodb+srv://svc:{d(WORD, 16)}@cluster0.mongodb.net/?retryWrites=true",
    "redis": lambda d: f"redis://:{d(WORD, 20)}@cache:6379/0",
    "amqp": lambda d: f"amqps://worker:{d(WORD, 12)}@queue.internal/%2f",
    "JDBC": lambda d: f"jdbc:mysql://db:3306/app?user=app&password={d(WORD, 12)}7",
    "ODBC": lambda d: f"Driver={{ODBC Driver 18 for SQL Server}};Server=db;Uid=sa;Pwd={d(WORD, 12)}!7;",
    "Azure storage": lambda d: f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={d(BASE64, 86)}==;",
    "basic auth URL": lambda d: f"curl https://deploy:{d(WORD, 12)}@git.internal/repo.git",
    "basic auth header": lambda d: (
        "Authorization: Basic " + base64.b64encode(f"deploy:{d(WORD, 13)}7".encode()).decode()
    ),
    "bearer header": lambda d: f'-H "Authorization: Bearer {d(WORD, 40)}"',
    "netrc": lambda d: f"machine git.internal\nlogin deploy\npassword {d(WORD, 12)}7",
    "npmrc": lambda d: f"//registry.internal/:_authToken={d(HEX, 8)}-{d(HEX, 4)}-{d(HEX, 4)}-{d(HEX, 4)}-{d(HEX, 12)}",
    "pgpass": lambda d: f"db.internal:5432:shop:app:{d(WORD, 12)}7",
    "docker config": lambda d: (
        f'{{"auths":{{"hub":{{"auth":"{base64.b64encode(f"ci:{d(WORD, 16)}".encode()).decode()}"}}}}}}'
    ),
    "kubeconfig": lambda d: f"users:\n- name: admin\n  user:\n    token: {d(WORD, 48)}",
    "htpasswd": lambda d: f"admin:$apr1${d(WORD, 8)}${d(WORD, 22)}",
    "bcrypt": lambda d: f"alice:$2y$10${d(WORD, 53)}",
    "Django": lambda d: f"SECRET_KEY = 'django-insecure-{d(BASE36 + '!@#$%^&*(-_=+)', 48)}7'",
    "Rails": lambda d: f"production:\n  secret_key_base: {d(HEX, 128)}",
    "WordPress": lambda d: f"define( 'AUTH_KEY', '{d(WORD + '!@#%^&*-_', 60)}7' );",
    "PEM": lambda d: (
        f"-----BEGIN RSA PRIVATE KEY-----\n{d(BASE64, 64)}\n{d(BASE64, 64)}\n-----END RSA PRIVATE KEY-----"
    ),
    "OpenSSH": lambda d: f"-----BEGIN OPENSSH PRIVATE KEY-----\n{d(BASE64, 70)}\n-----END OPENSSH PRIVATE KEY-----",
    "PGP": lambda d: (
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{d(BASE64, 64)}\n-----END PGP PRIVATE KEY BLOCK-----"
    ),
    "PEM that begins with a sign": lambda d: (
        f"-----BEGIN PRIVATE KEY-----\n/{d(BASE64, 63)}\n-----END PRIVATE KEY-----"
    ),
    "PEM in one line": lambda d: f"-----BEGIN EC PRIVATE KEY----- +{d(BASE64, 63)} -----END EC PRIVATE KEY-----",
    "PEM with a header": lambda d: (
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{d(HEX, 32)}\n\n/{d(BASE64, 63)}"
    ),
    "PEM in a URL": lambda d: quote(f"-----BEGIN PRIVATE KEY-----\n/{d(BASE64, 63)}\n-----END PRIVATE KEY-----"),
    "PEM in base64": lambda d: base64.b64encode(
        f"-----BEGIN PRIVATE KEY-----\n+{d(BASE64, 63)}\n-----END PRIVATE KEY-----".encode()
    ).decode(),
    "PEM in JSON": lambda d: (
        f'{{"private_key": "-----BEGIN PRIVATE KEY-----\\n{d(BASE64, 64)}\\n-----END PRIVATE KEY-----\\n"}}'
    ),
    "Slack hook": lambda d: (
        f"https://hooks.slack.com/services/T{d(UPPER + DIGITS, 8)}/B{d(UPPER + DIGITS, 8)}/{d(WORD, 24)}"
    ),
    "AWS credentials file": lambda d: (
        f"[default]\naws_access_key_id = AKIA{d(UPPER, 16)}\naws_secret_access_key = {d(BASE64, 40)}"
    ),
    "git remote": lambda d: f"https://x-access-token:{d(WORD, 36)}@github.com/acme/shop.git",
}

PROSE = (
    "my password is {}", "the password for the admin account is {}", "Mein Passwort ist {}", "Das Kennwort lautet {}", "mon mot de passe est {}",
    "la contraseña es {}", "la password è {}", "a senha do servidor é {}", "het wachtwoord is {}", "hasło: {}", "пароль от сервера {}", "lösenord: {}",
    "şifre: {}", "密码：{}", "パスワードは{}です", "비밀번호: {}", "user jo pass {}", "login jo/{}", "log in with jo and {} as the password",
    "Use {} as the password.", "pw={}", "temp password {} please change it", "credentials are admin / {}", "What's your password?\n{}",
)  # fmt: skip
CHOSEN_WORDS = ("correcthorse", "sunflower", "tournesol", "bluebird42", "Falcon-Nine-22")
TELLING = (
    "my password is {}", "the wifi password is {}.", "mein Passwort ist {}", "mon mot de passe est {}", "mi contraseña es {}", "our admin password is {}, ok?",
    "my new password will be {}", 'use the password "{}" to log in',
)  # fmt: skip
SAID_ABOUT = (
    "my password is incorrect", "the password is required", "my password is too short.", "your password is expired", "my password is strong", "the password is stored as a hash",
    "mein Passwort ist falsch", "mein Passwort ist abgelaufen", "mon mot de passe est incorrect", "mi contraseña es incorrecta", "la mia password è scaduta",
    "How do I find out what my password is?", "What is your password policy?\ntwelve characters", "Did you reset your password?\nyes", "the password field is on the left",
    "my passphrase is a sentence of four or five words", "Enter your password:\nContinue", "Is your password longer than 12 characters?",
    "the password must be at least 12 characters and hold one digit", "my password is not working, what should I do?",
)  # fmt: skip

SYNTAXES = {
    "env": "{NAME}={value}",
    "shell": 'export {NAME}="{value}"',
    "dotenv quoted": "{NAME}='{value}'",
    "YAML": "{name}: {value}",
    "YAML quoted": '  {name}: "{value}"',
    "INI": "{name} = {value}",
    "JSON": '{{"{name}": "{value}"}}',
    "escaped JSON": '"{{\\"{name}\\": \\"{value}\\"}}"',
    "XML element": "<{name}>{value}</{name}>",
    "XML attribute": '<add key="{name}" value="{value}" />',
    "Python": '{name} = "{value}"',
    "Python dict": "config['{name}'] = '{value}'",
    "Java": 'private static final String {NAME} = "{value}";',
    "Java setter": 'client.set("{name}", "{value}");',
    "Go": 'var {name} string = "{value}"',
    "Go short": "{name} := `{value}`",
    "C#": 'string {name} = "{value}";',
    "PHP": '${name} = "{value}";',
    "PHP array": "'{name}' => '{value}',",
    "Ruby": "{name}: '{value}',",
    "TypeScript": 'const {name}: string = "{value}";',
    "Terraform": '  {name}    = "{value}"',
    "Makefile": "{NAME} ?= {value}",
    "PowerShell": '$env:{NAME} = "{value}"',
    "command line": "./deploy --{name}={value}",
    "query": "https://api.internal/v1/items?{name}={value}",
}  # fmt: skip

NAMES: dict[str, Callable[[Draw], str]] = {
    "api_key": lambda d: d(HEX, 32),
    "client_secret": lambda d: d(WORD, 32),
    "access_token": lambda d: d(WORD + "-_", 43),
    "auth_token": lambda d: d(BASE36, 24),
    "secret_access_key": lambda d: d(BASE64, 40),
    "encryption_key": lambda d: d(BASE64, 43) + "=",
    "db_password": lambda d: d(WORD, 12) + "!7",
    "admin_passwd": lambda d: d(LOWER, 7) + d(DIGITS, 4),
    "key_secret": lambda d: d(LOWER + UPPER, 9) + d(DIGITS, 1) + d(LOWER + UPPER, 6),
    "algolia_admin": lambda d: d(HEX, 32),
    "datadog": lambda d: d(BASE36, 40),
    "session_secret": lambda d: d(HEX, 64),
    "service_token": lambda d: f"{d(HEX, 8)}-{d(HEX, 4)}-4{d(HEX, 3)}-a{d(HEX, 3)}-{d(HEX, 12)}",
}

LOOK_ALIKES = [
    "api_key = your-api-key-here", 'API_KEY="changeme"', "password: ${DB_PASSWORD}", "password: <password>", "token = {{ token }}",
    'password = os.environ["DB_PASSWORD"]', "const token = process.env.GITHUB_TOKEN;", "secret = config.get('secret')",
    "String password = getPassword();", "password = getpass.getpass('Password: ')", "api_key: %s", "PASSWORD=$1", "passwd = args.password",
    "token: !vault |", "secretKeyRef: name: app-secrets-v2", "password: '{{ vault_db_password }}'", "export TOKEN=$(cat /run/secrets/token)",
    "api_key=XXXXXXXXXXXXXXXXXXXXXXXX", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sk-...", "sk_test_...", "AKIAXXXXXXXXXXXXXXXX",
    "SG.xxxxxxxx.yyyyyyyy", "xoxb-your-token", "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "glpat-xxxxxxxxxxxxxxxxxxxx",
    "Authorization: Bearer <token>", "Authorization: Bearer $TOKEN", "curl -u username:password https://api.internal", "curl -u $USER:$PASS https://x",
    "postgres://user:password@localhost/db", "mysql://root:root@localhost/test", "postgres://${PGUSER}:${PGPASSWORD}@db/app",
    "redis://:password@localhost:6379", "https://user:pass@host/", "mongodb://<user>:<password>@cluster0/test",
    "sha256:9b74c9897bac770ffc029102a200c5de4c8d6b7f0a1e2d3c4b5a69788796a5b4", "md5 = 'd41d8cd98f00b204e9800998ecf8427e'",
    '"integrity": "sha512-3Xq8mL2vR7tZ9pYbN4sWcE1aJ6uD5fG0hK8oT2iQ7nV4xB1mC9yL6wR3zP5dS8jF=="', "checksum: b6d81b360a5672d80c27430f39153e2c",
    "commit 3f2a9c1d8e7b6a5049f8e7d6c5b4a39281706f5e", "etag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    'resolved "https://registry.internal/lodash/-/lodash-4.17.21.tgz#679591c564c3bffaae8454cf0b3df370c3d6911c"',
    "id: 123e4567-e89b-12d3-a456-426614174000", 'clientId = "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"', "request_id=01HF3Q8ZK5W7YB2N4M6P9R1T3V",
    "version = '1.24.3-beta.2+build.5114f85'", "image: app@sha256:4bcdffd70da292293d059d2435c7056711fab2655f8b74f48ad0abe042b63687",
    "color: #ff8800; background: #00ff88aa", ".btn{color:#fff;background:#1a2b3c;padding:0 4px 2px}", "data-v-7ba5bd90",
    "!function(e,t){var n=e.key,r=t.token;return n.apiKey=r}(window,document);", "var s='ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'",
    "cache_key = 'user-profile-settings-v2'", "primary_key = 'customer_id_2024'", "foreign_key: orders_2023_fk", "key: 'ArrowLeft'",
    "keyCode === 13", "max_tokens = 4096", "token_count: 128000", "tokenizer = 'cl100k_base'", "TokenType.IDENTIFIER_42",
    "password_min_length: 12", "PASSWORD_RESET_TIMEOUT = 259200", "passwordPolicy: RequireDigit1Upper", '"password": "Passwort"',
    '"password": "contraseña"', '"password": "Mot de passe"', "msgstr \"Wachtwoord opnieuw instellen\"", 'label: "Enter your password"',
    "How do I hash passwords with bcrypt?", "the secret to good bread is time", "token ring networks of 1985", "access key: Alt+Shift+4",
    "public_key = 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8xZ2vL7mT4wR9pYbN3sWcE1aJ6uD5fG0'", "ssh-rsa-key-type-2048",
    "csrf_token = 'k3Jx9Qm2Zr7Tv5Wb8Ny4Lp6Hs1Dg0Fc'", "sitekey: 6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI", "UA-12345678-1", "G-4XY7ZQ2M1N",
    "secretName: my-app-tls-2024", "tokenUrl: https://auth.internal/oauth2/v2.0/token", "apiVersion: apps/v1beta2",
    "api_url=https://api.internal/v2/items", "AUTH_ENDPOINT=https://login.internal:8443", "keystore: /etc/ssl/server-2024.p12",
    "aws_region = us-east-1", "arn:aws:iam::123456789012:role/deploy", "credentialsId: 'jenkins-deploy-key-01'", "author_key = 'smith2019deep'",
    "access_level: 'read_write_v2'", "const apiClient = new ApiClientV2Factory();", "keyPath = 'data.items[0].name'",
    "private_key_path: ~/.ssh/id_rsa_2024", "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "ssh-keygen -t ed25519 -C you",
    "const icon = 'data:image/svg+xml;utf8,<svg viewBox=\"0 0 24 24\"/>'", "test_user_password_reset_email_2", "fixture: user_with_token_1",
]  # fmt: skip


def _draws(seed: int) -> Iterator[Draw]:
    for number in range(DRAWS):
        source = random.Random(f"{seed} {number}")
        yield lambda alphabet, length, source=source: "".join(source.choices(alphabet, k=length))


@pytest.fixture(scope="module")
def finds() -> Callable[[str], bool]:
    from router.privacy.detector import Detector  # Presidio is imported only when the test runs

    detector = Detector(PrivacyConfig(), GATES)

    def found(text: str) -> bool:
        _, matches = detector.detect([("", text)], [])
        return any(match.entity in ("SECRET", "PASSWORD") for match in matches)

    return found


def _missed(finds: Callable[[str], bool], texts: list[str]) -> list[str]:
    return [text for text in texts if not finds(text)]


def test_keys_of_known_makers_are_found_without_a_word_about_them(finds: Callable[[str], bool]) -> None:
    texts = [f"see {make(draw)} ok" for make in VENDOR_KEYS.values() for draw in _draws(1)]
    missed = _missed(finds, texts)
    assert len(missed) <= len(texts) * 0.02, missed


@pytest.mark.parametrize("maker", VENDOR_KEYS)
def test_whatever_a_maker_draws_is_a_key(maker: str) -> None:
    from router.privacy.recognizers.secret import SHAPES, is_key

    shapes = re.compile("|".join(SHAPES.values()))
    for number in range(300):
        source = random.Random(f"{maker} {number}")
        key = VENDOR_KEYS[maker](lambda alphabet, length, source=source: "".join(source.choices(alphabet, k=length)))
        match = shapes.search(key)
        assert match is not None, key
        assert is_key(match.group()), key


def test_secrets_in_files_and_addresses_are_found(finds: Callable[[str], bool]) -> None:
    texts = [make(draw) for make in FILES.values() for draw in _draws(2)]
    missed = _missed(finds, texts)
    assert len(missed) <= len(texts) * 0.03, missed


@pytest.mark.parametrize("name", NAMES)
def test_a_named_secret_is_found_in_every_syntax(finds: Callable[[str], bool], name: str) -> None:
    texts = [
        syntax.format(name=name, NAME=name.upper(), value=NAMES[name](draw))
        for syntax in SYNTAXES.values()
        for draw in _draws(3)
    ]
    missed = _missed(finds, texts)
    assert len(missed) <= len(texts) * 0.05, missed


@pytest.mark.parametrize("sentence", PROSE)
def test_a_mixed_password_is_found_in_every_sentence(finds: Callable[[str], bool], sentence: str) -> None:
    texts = [sentence.format(f"Kestrel{sign}{d(WORD, 3)}{d(DIGITS, 1)}") for sign in "!#$%&*?" for d in _draws(4)]
    missed = _missed(finds, texts)
    assert len(missed) <= len(texts) * 0.05, missed


@pytest.mark.parametrize("sentence", TELLING)
def test_a_word_is_a_password_where_somebody_says_so(finds: Callable[[str], bool], sentence: str) -> None:
    assert _missed(finds, [sentence.format(word) for word in CHOSEN_WORDS]) == []


def test_what_is_said_about_a_password_is_none(finds: Callable[[str], bool]) -> None:
    assert [text for text in SAID_ABOUT if finds(text)] == []


def test_what_only_looks_like_a_secret_is_left_alone(finds: Callable[[str], bool]) -> None:
    flagged = [text for text in LOOK_ALIKES if finds(text)]
    assert len(flagged) <= len(LOOK_ALIKES) * 0.03, flagged
