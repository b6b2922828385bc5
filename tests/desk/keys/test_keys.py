"""Keys that open on the day they are needed: made, tested, and proven to the campaign."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.errors import CommandError
from desk.keys import identities
from desk.keys.proofs import write_proofs
from shared import campaigns
from shared.campaigns.model import Proof, digest_of
from shared.campaigns.types import THROWAWAY
from tests.desk.commands import PASSPHRASE, plain_key, refusal, undersign
from tests.shared.campaigns.test_campaigns import EXAMPLE
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, campaign_file
from tests.support.missing import missing

KEYS = ["age1" + letter * 58 for letter in "qp"]


def make_key(file: Path) -> str:
    """Make a key as a person does, and return its public part."""
    made = undersign("keygen", file, typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    [recipient] = re.findall(r"age1[a-z0-9]{58}", made.output)
    return str(recipient)


class TestKeygen:
    def test_makes_a_file_that_opens_with_its_passphrase_only(self, tmp_path: Path) -> None:
        """It prints the public key, never the private one."""
        file = tmp_path / "ann.age"

        made = undersign("keygen", file, typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")

        [identity] = identities.read(file, lambda: PASSPHRASE)
        recipient = identities.recipient_of(identity)
        assert recipient in made.output
        assert (tmp_path / "ann.age.pub").read_text() == f"{recipient}\n"
        assert "AGE-SECRET-KEY" not in made.output + file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(CommandError, match=r"ann\.age does not open with this passphrase"):
            identities.read(file, lambda: "correct horse batteries")

    def test_says_what_losing_the_key_means(self, tmp_path: Path) -> None:
        """The words suit somebody who has never had a key."""
        made = undersign("keygen", tmp_path / "ann.age", typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")

        assert "all its signatures are lost" in made.output
        assert "Never put the file into the cloud" in made.output

    def test_makes_a_passphrase_when_none_is_entered(self, tmp_path: Path) -> None:
        """It is too long to guess, and opens the file."""
        file = tmp_path / "ann.age"

        made = undersign("keygen", file, typed="\n")

        [chosen] = re.findall(r"(?:[a-z2-9]{4}-){5}[a-z2-9]{4}", made.output)
        assert identities.read(file, lambda: chosen)

    def test_prints_brackets_in_a_files_name(self, tmp_path: Path) -> None:
        """Brackets in it are not taken for markup."""
        file = tmp_path / "ann[/][b].age"
        file.parent.mkdir()

        made = undersign("keygen", file, typed=f"{PASSPHRASE}\n{PASSPHRASE}\n")

        assert made.exit_code == 0, made.exception
        assert f"Copy {file} to a second place" in made.output

    def test_never_overwrites_a_key(self, tmp_path: Path) -> None:
        """Signatures may already be sealed to it."""
        file = tmp_path / "ann.age"
        file.write_text("precious")

        assert "exists already" in refusal(undersign("keygen", file, typed=f"{PASSPHRASE}\n{PASSPHRASE}\n"))
        assert file.read_text() == "precious"

    @pytest.mark.parametrize(
        ("typed", "reason"),
        [
            ("short\nshort\n", "too short"),
            (f"{PASSPHRASE}\nanother one entirely\n", "not the same"),
            ("", "nothing"),
        ],
    )
    def test_leaves_no_file_behind_when_it_refuses(self, typed: str, reason: str, tmp_path: Path) -> None:
        """A mistyped passphrase must not end up protecting a key."""
        assert reason in refusal(undersign("keygen", tmp_path / "ann.age", typed=typed))
        assert list(tmp_path.iterdir()) == []

    def test_makes_a_file_that_the_stock_tool_opens(self, tmp_path: Path) -> None:
        """Nobody needs Undersign to read their signatures; age asks for a passphrase at a terminal only."""
        if shutil.which("age") is None:
            missing("the age tool (Debian: age)")
        recipient = make_key(tmp_path / "ann.age")
        sealed = tmp_path / "sealed.age"
        sealed.write_bytes(pyrage.encrypt(b"hello", [pyrage.x25519.Recipient.from_str(recipient)]))

        assert run_at_a_terminal(["age", "-d", "-i", tmp_path / "ann.age", sealed], PASSPHRASE) == b"hello"


class TestKeysPage:
    def test_is_written_with_its_digest(self, tmp_path: Path) -> None:
        """The person who gets the page can compare it with what the command prints."""
        done = undersign("keys-page", tmp_path)

        page = tmp_path / "keys.html"
        assert hashlib.sha256(page.read_bytes()).hexdigest() in done.output
        assert page.read_text(encoding="utf-8").startswith("<!doctype html>")

    def test_never_replaces_another_file(self, tmp_path: Path) -> None:
        """A key whose name is given in place of a folder stays."""
        key = tmp_path / "ann.age"
        key.write_text("precious")

        assert "cannot be written" in refusal(undersign("keys-page", key))
        assert key.read_text() == "precious"


def run_at_a_terminal(command: list[str | Path], line: str) -> bytes:
    """Run a command that gets a line at a terminal, not through a pipe, and return what it prints."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, f"{line}\n".encode())
        done = subprocess.run(
            command,
            stdin=theirs,
            capture_output=True,
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.stdout


def with_work_factor(log_n: int, locked: bytes) -> bytes:
    """Return an age file as a machine makes it whose scrypt does 2 to the power of `log_n` rounds in a second."""
    return re.sub(rb"(-> scrypt \S+) \d+", rb"\1 %d" % log_n, locked)


class TestRead:
    @pytest.mark.parametrize("before", ["", "\ufeff", "\r\n  ", "# created: today\n# public key: age1…\n"])
    def test_accepts_what_age_keygen_prints(self, before: str, tmp_path: Path) -> None:
        """Comments, blank lines and a byte order mark before the key are ignored."""
        identity = str(pyrage.x25519.Identity.generate())
        file = tmp_path / "key.txt"
        file.write_text(f"{before}{identity}\r\n", encoding="utf-8")

        assert identities.read(file, pytest.fail) == [identity]

    def test_accepts_a_binary_file_with_a_passphrase(self, tmp_path: Path) -> None:
        """age writes one unless it is asked for armor."""
        identity = str(pyrage.x25519.Identity.generate())
        file = tmp_path / "key.age"
        file.write_bytes(pyrage.passphrase.encrypt(identity.encode(), PASSPHRASE))

        assert identities.read(file, lambda: PASSPHRASE) == [identity]

    def test_opens_a_file_with_a_passphrase_on_a_busy_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A measurement that was disturbed makes the machine look too slow for it; the next one need not."""
        identity = str(pyrage.x25519.Identity.generate())
        file = tmp_path / "key.age"
        file.write_bytes(pyrage.passphrase.encrypt(identity.encode(), PASSPHRASE))
        decrypt, disturbed = pyrage.passphrase.decrypt, iter([True, True])

        def measuring(locked: bytes, passphrase: str) -> bytes:
            if next(disturbed, False):
                return bytes(decrypt(with_work_factor(40, locked), passphrase))
            return bytes(decrypt(locked, passphrase))

        monkeypatch.setattr(pyrage.passphrase, "decrypt", measuring)

        assert identities.read(file, lambda: PASSPHRASE) == [identity]

    def test_says_what_helps_where_this_machine_is_too_slow(self, tmp_path: Path) -> None:
        """Its file was made on one that is many times as fast."""
        file = tmp_path / "key.age"
        file.write_bytes(with_work_factor(40, pyrage.passphrase.encrypt(b"x", PASSPHRASE)))

        with pytest.raises(CommandError, match="made on a much faster computer"):
            identities.read(file, lambda: PASSPHRASE)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "holds no age identity"),
            (b"age1qqqq", "holds no age identity"),
            (b"\xff\xfe\x00", "holds no age identity"),
            (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "damaged, or is no identity file"),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, content: bytes, reason: str, tmp_path: Path) -> None:
        """The error names the file and never shows its content."""
        file = tmp_path / "key.txt"
        file.write_bytes(content)

        with pytest.raises(CommandError, match=rf"key\.txt .*{reason}"):
            identities.read(file, lambda: PASSPHRASE)

    def test_reports_a_missing_file(self, tmp_path: Path) -> None:
        """The error is the operating system's."""
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            identities.read(tmp_path / "key.txt", pytest.fail)


def test_a_damaged_identity_is_refused() -> None:
    """One character was lost in copying."""
    with pytest.raises(CommandError, match="damaged"):
        identities.recipient_of(str(pyrage.x25519.Identity.generate())[:-1])


def test_creating_an_identity_never_overwrites_one(tmp_path: Path) -> None:
    """The file is opened exclusively, so that two runs at once cannot overwrite each other."""
    identities.create(tmp_path / "ann.age", PASSPHRASE, NOW)

    with pytest.raises(CommandError, match="exists already"):
        identities.create(tmp_path / "ann.age", PASSPHRASE, NOW)


class TestProve:
    @pytest.fixture(autouse=True)
    def _two_people(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A campaign file with two people's keys, not proven yet."""
        self.folder = tmp_path
        self.ann, self.bob = tmp_path / "ann.age", tmp_path / "bob.age"
        self.recipients = [plain_key(file) for file in (self.ann, self.bob)]
        listed = ", ".join(f'"{recipient}"' for recipient in self.recipients)
        self.file = campaign_file(tmp_path, "mine", **{'recipients = ["throwaway"]': f"recipients = [{listed}]"})
        monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path))
        monkeypatch.chdir(tmp_path)

    def unproven(self) -> list[str]:
        return campaigns.load(self.file).sealing.unproven

    def test_proves_the_keys_at_hand(self) -> None:
        """It seals something to each of them and opens that; no other line of the file changes."""
        before = self.file.read_text(encoding="utf-8")

        done = undersign("prove", "mine", "-i", self.ann, "-i", self.bob)

        assert done.exit_code == 0, done.output
        assert self.unproven() == []
        assert [line for line in before.splitlines() if line not in self.file.read_text(encoding="utf-8")] == []

    @pytest.mark.parametrize(
        ("common", "uncommon"),
        [
            ("[sealing]\nrecipients = [{}]\n", "sealing = {{ recipients = [{}] }}\n"),
            ("[sealing]\nrecipients = [{}]\n", "sealing.recipients = [{}]\n"),
            ("[sealing]\nrecipients = [{}]\n", "sealing = {{ recipients = [{}], proofs = [] }} # ours\n"),
            ("[sealing]\nrecipients = [{}]\n", '"sealing" . recipients = [{}]\n'),
        ],
        ids=["inline", "dotted", "inline with proofs", "quoted"],
    )
    def test_leaves_a_file_that_loads(self, common: str, uncommon: str) -> None:
        """However the table was written in TOML, the proofs are added, even when it is run twice."""
        listed = ", ".join(f'"{recipient}"' for recipient in self.recipients)
        text = self.file.read_text(encoding="utf-8")
        without = text.replace(common.format(listed), "")
        assert without != text
        self.file.write_text(uncommon.format(listed) + without, encoding="utf-8")
        before = campaigns.load(self.file)

        for _ in range(2):
            done = undersign("prove", "mine", "-i", self.ann, "-i", self.bob)
            assert done.exit_code == 0, done.exception

        after = campaigns.load(self.file)
        assert self.unproven() == []
        assert after.model_copy(update={"sealing": before.sealing}) == before
        assert self.file.read_text(encoding="utf-8").count(without[:100]) == 1

    def test_leaves_a_file_alone_that_it_cannot_edit(self) -> None:
        """The error says which lines to add by hand."""
        text = self.file.read_bytes().replace(b"\n", b"\r")  # line ends of classic Mac OS
        self.file.write_bytes(text)

        message = refusal(undersign("prove", "mine", "-i", self.ann, "-i", self.bob))

        assert "mine.toml was left as it is" in message
        assert self.file.read_bytes() == text
        proofs = tomllib.loads(message[message.index("[[") :])["sealing"]["proofs"]
        assert [proof["recipient"] for proof in proofs] == self.recipients

    def test_loads_the_translations(self) -> None:
        """Texts in a file of their own are loaded, because texts and languages are validated together."""
        text = self.file.read_text(encoding="utf-8")
        texts, last = re.findall(r"^\[texts\.en.*?(?=\n\n\[|\Z)", text, re.DOTALL | re.MULTILINE)
        self.file.write_text(text.replace(texts, "").replace(last, ""), encoding="utf-8")
        self.file.with_suffix("").mkdir(exist_ok=True)
        moved = f"{texts}\n\n{last}".replace("[texts.en]", "").replace("[texts.en.", "[")
        self.file.with_suffix("").joinpath("en.toml").write_text(moved, encoding="utf-8")

        undersign("prove", "mine", "-i", self.ann, "-i", self.bob)

        assert self.unproven() == []

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "mark"])
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
    def test_keeps_line_ends_and_byte_order_mark(self, mark: bytes, line_end: bytes) -> None:
        """Otherwise version control would show every line as changed; permissions stay the same, too."""
        before = mark + self.file.read_bytes().replace(b"\n", line_end)
        self.file.write_bytes(before)
        self.file.chmod(0o640)

        undersign("prove", "mine", "-i", self.ann, "-i", self.bob)

        after = self.file.read_bytes()
        assert self.unproven() == []
        assert [line for line in before.splitlines(True) if line not in after] == []
        assert (after.count(b"\n"), after.count(b"\xef\xbb\xbf")) == (
            after.count(line_end),
            before.count(b"\xef\xbb\xbf"),
        )
        assert self.file.stat().st_mode & 0o777 == 0o640
        assert [file.name for file in self.folder.iterdir() if "part" in file.name] == []

    def test_prints_brackets_in_file_names(self) -> None:
        """Brackets in them are not taken for markup."""
        Path("tests[/]").mkdir(parents=True)

        asked = undersign("prove", "mine", "--folder", "tests[/]")

        assert f"Send tests[/]/mine-test-{self.recipients[0][:12]}.age to" in asked.output

    def test_writes_a_test_for_the_other_key(self) -> None:
        """Only the answer of its holder proves that key."""
        asked = undersign("prove", "mine", "-i", self.ann)
        [test] = self.folder.glob("mine-test-*.age")
        assert self.unproven() == [self.recipients[1]]
        assert test.name in asked.output

        answered = undersign("answer", test, "-i", self.bob)
        undersign("prove", "mine", "--answer", answered.output.splitlines()[-1])

        assert self.unproven() == []

    def test_keeps_a_test_that_is_not_answered_yet(self) -> None:
        """Running it twice must not invalidate the answers to the first tests."""
        undersign("prove", "mine")
        tests = sorted(self.folder.glob("mine-test-*.age"))
        undersign("prove", "mine")

        for test in tests:
            answered = undersign("answer", test, "-i", self.ann, "-i", self.bob)
            undersign("prove", "mine", "--answer", answered.output.splitlines()[-1])
        assert self.unproven() == []

    def test_makes_a_new_test_when_its_file_was_lost(self) -> None:
        """From then on, only the answer to the new one counts."""
        undersign("prove", "mine", "-i", self.ann)
        [test] = self.folder.glob("mine-test-*.age")
        old = undersign("answer", test, "-i", self.bob).output.splitlines()[-1]
        test.unlink()
        undersign("prove", "mine")

        assert "newer test" in refusal(undersign("prove", "mine", "--answer", old))
        new = undersign("answer", test, "-i", self.bob).output.splitlines()[-1]
        undersign("prove", "mine", "--answer", new)
        assert self.unproven() == []

    def test_refuses_a_guessed_answer(self) -> None:
        """The campaign file stays unchanged."""
        undersign("prove", "mine")
        before = self.file.read_text(encoding="utf-8")

        assert "answers no test" in refusal(undersign("prove", "mine", "--answer", "abcd-efgh"))
        assert self.file.read_text(encoding="utf-8") == before

    def test_refuses_a_key_that_is_not_the_campaigns(self) -> None:
        """Proving it would be useless."""
        other = self.folder / "cleo.age"
        plain_key(other)

        assert "is not one of this campaign's" in refusal(undersign("prove", "mine", "-i", other))

    def test_refuses_a_campaign_with_a_throwaway_key(self) -> None:
        """An unknown campaign is refused, too, and the error lists those that exist."""
        campaign_file(self.folder, CAMPAIGN)

        assert THROWAWAY in refusal(undersign("prove", CAMPAIGN))
        assert "There are: mine, reclaim-your-face" in refusal(undersign("prove", "yours"))

    @pytest.mark.parametrize("sealed", [b'{"name": "Ann"}', b"\xff", b"abcd-efgh\n", b"\x1b[2J"])
    def test_answers_nothing_but_a_test(self, sealed: bytes) -> None:
        """Otherwise somebody could send a signature instead and learn what it says."""
        recipient = pyrage.x25519.Recipient.from_str(self.recipients[0])
        Path("test.age").write_bytes(pyrage.encrypt(sealed, [recipient]))

        answered = undersign("answer", "test.age", "-i", self.ann)

        assert "is no test file" in refusal(answered)
        assert answered.stdout == ""

    def test_a_test_opens_with_its_own_key_only(self) -> None:
        """Anybody else who finds the file reads nothing."""
        undersign("prove", "mine")
        test = self.folder / f"mine-test-{self.recipients[0][:12]}.age"

        assert "not made for this key" in refusal(undersign("answer", test, "-i", self.bob))
        assert "Say which identity" in refusal(undersign("answer", test))
        assert "cannot be read" in refusal(undersign("answer", "nowhere.age", "-i", self.bob))


PROVEN = [Proof(recipient=KEYS[0], challenge=digest_of("aa-bb"), answer="aa-bb")]
WAITING = [*PROVEN, Proof(recipient=KEYS[1], challenge=digest_of("cc-dd"))]
ANSWERED = [*PROVEN, Proof(recipient=KEYS[1], challenge=digest_of("cc-dd"), answer="cc-dd")]

#: What may stand between two lines of a campaign file.
BETWEEN = st.lists(st.sampled_from(["", "# Ann's key", "  # [sealing]", "# [[sealing.proofs]]", "\t"]), max_size=3)


def without_proofs(text: str) -> str:
    """Return a text without the lines that `prove` writes, and the blank line above each table of them."""
    kinds = r'\[\[sealing\.proofs\]\]|(?:recipient|challenge|answer) = "[^"\n]*"'
    return re.sub(rf"\n(?:\n(?=\[\[))?(?:{kinds})(?=\n|\Z)", "", text)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_proving_moves_no_comment_and_no_blank_line(data: st.DataObject) -> None:
    """All of the file but the proofs stays as it is, line by line, in whichever state the proofs are."""
    head, sealing, rest = re.split(r"^(?=\[sealing\]|# Who decides)", EXAMPLE, maxsplit=2, flags=re.M)
    sealing = sealing.replace('["throwaway"]', "[\n" + "".join(f'"{key}",\n' for key in KEYS) + "]")
    noted = "\n".join(part for line in sealing.rstrip().split("\n") for part in (line, *data.draw(BETWEEN)))
    before = data.draw(
        st.sampled_from([f"{head}{noted}\n{rest}", f"{head}{rest}\n{noted}", f"{head}{rest}\n{noted}\n"])
    )

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_text(before, encoding="utf-8")
        for proofs in data.draw(st.permutations([PROVEN, WAITING, ANSWERED])):
            write_proofs(file, proofs)

            written = file.read_text(encoding="utf-8")
            assert without_proofs(written) == before
            assert [each.challenge for each in campaigns.load(file).sealing.proofs] == [
                each.challenge for each in proofs
            ]


def test_a_comment_on_a_proof_stays_when_the_answer_comes(tmp_path: Path) -> None:
    """The answer is written below the challenge that it answers, and the note beside the key is kept."""
    noted = EXAMPLE.replace('["throwaway"]', str(KEYS).replace("'", '"'), 1)
    file = tmp_path / "mine.toml"
    file.write_text(noted, encoding="utf-8")
    write_proofs(file, WAITING)
    text = file.read_text(encoding="utf-8").replace(
        f'[[sealing.proofs]]\nrecipient = "{KEYS[1]}"\n',
        f'# Bob, by letter\n[[sealing.proofs]] # asked on Monday\nrecipient = "{KEYS[1]}" # his new one\n',
    )
    file.write_text(text, encoding="utf-8")

    write_proofs(file, ANSWERED)

    challenge = f'challenge = "{digest_of("cc-dd")}"\n'
    assert file.read_text(encoding="utf-8") == text.replace(challenge, f'{challenge}answer = "cc-dd"\n')
