"""Task `shell-command`: a description to one POSIX shell command."""

from random import Random

from sona.demo.phrases import lines, table
from sona.demo.tasks.common import Example, Task, pick, quoted, request
from sona.demo.words import EXTENSIONS, HOSTS, Split, Words

_INTENTS = table(r"""
ls {dir}
- list the files in {dir} | list files in {dir} | show the files in {dir} | list the contents of {dir}
- show what is in {dir} | list everything in the folder {dir} | list all files in {dir}
? show the contents of the directory {dir} | list all the files in {dir}

ls -a {dir}
- list hidden files in {dir} | list all files in {dir} including hidden ones | show hidden files in {dir}
- list files in {dir}, including hidden | show all files in the folder {dir} with hidden ones
? show all hidden files in {dir}

find {dir} -name '*.{ext}'
- find all {ext} files in {dir} | find files ending in .{ext} in {dir}
- find every .{ext} file under {dir} | search {dir} for {ext} files
- find files with the extension {ext} in {dir} | look for *.{ext} files in {dir}
- find all .{ext} files in the folder {dir}
? find all files with extension {ext} under {dir} | search for .{ext} files in {dir}

find {dir} -size +{n}M
- find files larger than {n} MB in {dir} | find files bigger than {n} megabytes in {dir}
- find files over {n}MB under {dir} | search {dir} for files larger than {n} MB
- list files in {dir} that are bigger than {n} MB
? find all files above {n} MB in {dir}

find {dir} -mtime -{n}
- find files changed in the last {n} days in {dir} | find files modified in the last {n} days under {dir}
- list files in {dir} modified in the past {n} days | find files in {dir} changed in the last {n} days
? find all files modified in the last {n} days in {dir}

grep -r '{text}' {dir}
- search for {qtext} in all files in {dir} | search {dir} for the text {qtext}
- find the text {qtext} in {dir} | grep for {qtext} in the folder {dir}
- look for the word {qtext} in all files under {dir} | find all lines with {qtext} in the files of {dir}
- search all files in {dir} for {qtext}
? find the word {qtext} in all files in {dir}

grep '{text}' {file}
- search for {qtext} in {file} | find lines containing {qtext} in {file}
- show the lines of {file} that contain {qtext} | grep {qtext} in {file} | find {qtext} in the file {file}
- print lines with {qtext} from {file}
? show lines containing {qtext} in {file}

wc -l {file}
- count the lines in {file} | count lines of {file} | show how many lines {file} has
- count how many lines are in {file} | get the number of lines in {file}
? show the number of lines in {file}

wc -w {file}
- count the words in {file} | count words of {file} | show how many words {file} has
- get the number of words in {file}
? count how many words are in {file}

head -n {n} {file}
- show the first {n} lines of {file} | print the first {n} lines of {file}
- display the top {n} lines of {file} | get the first {n} lines from {file}
- show the top {n} lines in {file}
? list the first {n} lines of {file}

tail -n {n} {file}
- show the last {n} lines of {file} | print the last {n} lines of {file}
- display the bottom {n} lines of {file} | get the last {n} lines from {file}
- show the final {n} lines of {file}
? list the last {n} lines of {file}

tail -f {file}
- follow {file} | follow the file {file} | watch {file} as it grows | follow new lines of {file}
- watch the log {file}
? follow the log {file}

cp {file} {dest}
- copy {file} to {dest} | copy the file {file} to {dest} | copy {file} into {dest}
- make a copy of {file} in {dest} | copy {file} to the folder {dest}
? copy the file {file} into {dest}

cp -r {dir} {dest}
- copy the folder {dir} to {dest} | copy the directory {dir} to {dest}
- copy everything in the folder {dir} to {dest} | copy the whole directory {dir} into {dest}
? copy the whole folder {dir} to {dest}

mv {file} {dest}
- move {file} to {dest} | move the file {file} to {dest} | rename {file} to {dest}
- move {file} into {dest} | rename the file {file} to {dest}
? move the file {file} into {dest}

rm {file}
- delete {file} | remove {file} | delete the file {file} | remove the file {file} | erase {file}
- get rid of {file}
? erase the file {file}

rm -r {dir}
- delete the folder {dir} | remove the directory {dir} | delete the directory {dir} and everything in it
- remove the folder {dir} with all its files | delete {dir} and all its contents
? remove the folder {dir} and everything in it

mkdir -p {dir}
- create the folder {dir} | make a directory called {dir} | create a directory {dir}
- make a new folder {dir} | create a folder named {dir} | make the directory {dir}
- create a new directory {dir} | make a directory named {dir}
? create a new folder called {dir}

touch {file}
- create an empty file {file} | create an empty file called {file} | make an empty file {file}
- create a new file {file}
? make a new empty file {file}

du -sh {dir}
- show the size of {dir} | show the disk usage of {dir} | show how big the folder {dir} is
- get the total size of {dir} | show how much space {dir} takes
? get the disk usage of the folder {dir}

df -h
- show free disk space | show the free disk space | check how much disk space is left
- display the disk space | show disk space of all drives
? check the free disk space

tar -czf {arc} {dir}
- compress {dir} into {arc} | pack {dir} into {arc} | create the archive {arc} from {dir}
- make a tar archive {arc} of {dir} | archive the folder {dir} as {arc}
- compress the folder {dir} as {arc}
? pack the folder {dir} into {arc}

tar -xzf {arc}
- extract {arc} | unpack {arc} | extract the archive {arc} | unpack the archive {arc} | uncompress {arc}
? extract the files from {arc}

chmod {mode} {file}
- set the permissions of {file} to {mode} | change permissions of {file} to {mode}
- give {file} the permissions {mode} | set mode {mode} on {file}
? change the permissions of {file} to {mode}

chmod +x {file}
- make {file} executable | make the file {file} executable | make the script {file} executable
- allow {file} to be executed
- make the program {file} executable
? make the script file {file} executable

chown {user} {file}
- change the owner of {file} to {user} | make {user} the owner of {file}
- set the owner of {file} to {user} | give {file} to the user {user}
? change owner of the file {file} to {user}

kill {n}
- kill process {n} | stop the process {n} | end the process with id {n} | kill the process with pid {n}
- terminate process {n}
? kill the process {n}

sort {file}
- sort {file} | sort the lines of {file} | sort the file {file} | print {file} sorted
? sort all lines in {file}

sort -u {file}
- sort {file} and remove duplicates | show the unique lines of {file}
- sort the lines of {file} without duplicates | print the unique lines in {file}
? sort the file {file} and remove duplicates

cat {file}
- show {file} | print {file} | show the contents of {file} | display the file {file}
- print the content of {file} | show the file {file}
? display the contents of {file}

sed -i 's/{text}/{other}/g' {file}
- replace {qtext} with {other} in {file} | replace all {qtext} by {other} in {file}
- change every {qtext} to {other} in {file} | substitute {qtext} with {other} in the file {file}
? replace every {qtext} with {other} in {file}

ping -c {n} {host}
- ping {host} {n} times | send {n} pings to {host} | ping the host {host} {n} times
- ping the server {host} {n} times | ping {n} times {host}
? send {n} pings to the host {host}

curl -O https://{host}/{file0}
- download https://{host}/{file0} | download the file https://{host}/{file0}
- fetch https://{host}/{file0}
? get the file https://{host}/{file0}

ssh {user}@{host}
- log in to {host} as {user} | connect to {host} as user {user} | open a shell on {host} as {user}
- ssh to {host} as {user}
? connect to the host {host} as {user}

diff {file} {file2}
- compare {file} and {file2} | show the differences between {file} and {file2}
- compare the files {file} and {file2} | diff {file} with {file2}
? show differences between the files {file} and {file2}

ps aux
- list all processes | show running processes | list all running processes | show all processes
? show the running processes

cd {dir}
- go to {dir} | change to the directory {dir} | go to the folder {dir} | change directory to {dir}
? change into the folder {dir}
""")
_ASKS = lines(r"""
Shell command to {}
Command to {}
Write a shell command to {}
Give me the shell command to {}
How do I {} in the shell?
Bash: {}
What is the command to {}?
In bash, {}
linux command to {}
Shell: {}
{} (shell)
Terminal command: {}
Give me a bash command to {}
Write a bash one-liner to {}
How can I {} from the command line?
how to {} in linux
What's the unix command to {}?
Which command will {}?
{} in bash
{} from the terminal
""")
_ASKS_HELD_OUT = lines(r"""
What shell command will {}?
How do I {} in the terminal?
Write the bash command to {}
Linux: {}
command line to {}
""")


def generate(rng: Random, split: Split) -> Example:
    """Make one description and its command."""
    words = Words(rng, split)
    command, train, held_out = rng.choice(_INTENTS)
    text = words.word()
    values = {
        "dir": words.directory(),
        "file": words.file(),
        "file2": words.file(),
        "file0": f"{words.word()}.{rng.choice(EXTENSIONS)}",
        "ext": rng.choice(EXTENSIONS),
        "text": text,
        "qtext": quoted(rng, text, 0.5),
        "other": words.word(),
        "n": str(words.number()),
        "arc": f"{words.word()}.tar.gz",
        "user": words.first_name().lower(),
        "host": words.of(HOSTS),
        "mode": rng.choice(("644", "755", "600", "700", "640", "777", "444", "750")),
        "dest": words.directory() if rng.random() < 0.6 else words.file(),
    }
    if "-mtime" in command:
        values["n"] = str(rng.randint(1, 60))
    if "{" not in command and split is Split.HELD_OUT:
        train = held_out
    said = pick(rng, split, train, held_out).format(**values)
    if split is Split.TRAIN and rng.random() < 0.05:
        said = said.replace(" the ", f" the {words.word()} ", 1)
    asked = rng.random() < 0.6
    prompt = pick(rng, split, _ASKS, _ASKS_HELD_OUT).format(said) if asked else request(rng, split, said)
    return Example(prompt, command.format(**values))


TASK = Task(
    name="shell-command",
    title="Description to shell command",
    description=(
        "Writes one Linux shell command from a description: list, find, search, count, copy, move, delete, "
        "compress, download files, change permissions, inspect processes and disks."
    ),
    keywords=(
        "shell",
        "bash",
        "terminal",
        "command line",
        "linux",
        "files",
        "folder",
        "directory",
        "grep",
        "find",
    ),
    negative_examples=("What is a shell?", "Who wrote Linux?", "Find me a good restaurant."),
    generate=generate,
    seed=14,
    steps=400,
)
