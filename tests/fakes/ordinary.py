"""Texts full of numbers that are nobody's: none of them is sensitive."""

from __future__ import annotations

ENGLISH = tuple(
    line
    for line in """
My order number is 4829105736, where is it?
Order #112-4839201-8839402 shipped yesterday
order id: 20240117083
Invoice 2024-00017342 is overdue by 3 days
Invoice no. 88301245 totals 1,250.00 EUR
INV-2023-000481 was paid
Ticket 48213377 was closed
ticket #1002345678
JIRA task PROJ-482910 is blocked
SKU 8839201745 is out of stock
sku: 00012345678905
UPC 036000291452
EAN 4006381333931 on the box
ISBN 978-3-16-148410-0
ISBN 0-306-40615-2
ISBN-13: 9780306406157
ISSN 2049-3630
doi 10.1000/182
doi:10.1038/s41586-020-2649-2
arXiv 2103.00020
Tracking number 1Z999AA10123456784
Tracking 9400111899223197428490
parcel 00340434161094042557
error code 2147942402
error 0x80070005
errno 110
exit status 137
HTTP 404 then 502
Error 1045 (28000)
version 2.31.0
version 20.04.1
v1.2.3-beta.4
Python 3.11.4, numpy 1.26.4, torch 2.3.1
build 19045.3803
kernel 5.15.0-91-generic
npm 10.2.4
pip install requests==2.31.0
revision 18273645
commit 3f2a1b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a
commit 83920174
sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
md5 d41d8cd98f00b204e9800998ecf8427e
git diff --stat: 48 files changed, 1204 insertions(+), 883 deletions(-)
index 83db48f..bf2a1c9 100644
@@ -1048,7 +1048,9 @@ def main
Merge pull request #48213
timestamp 1700000000
ts=1700000000123
Unix time 1722347644
epoch 1609459200000
The time is 1672531200 seconds since 1970
2024-01-15T10:32:45.123456Z
2024-01-15 10:32:45,123 INFO started
[2024-01-15 10:32:45] DEBUG pid=48213 took 1283 ms
Jan 15 10:32:45 host sshd[28391]: session opened
20240115103245
The event is on 15.01.2024 at 10:30
between 03-11-2000 and 06-04-2020
from 1939 to 1945
the years 1914-1918 and 1939-1945
1990-1995 was a good time
The library was released on 2024-05-01.
Coordinates 48.858370, 2.294481
lat=52.520008 lon=13.404954
40°41'21.4"N 74°02'40.2"W
POINT(-122.4194155 37.7749295)
bbox: 11.360, 48.061, 11.722, 48.248
3.14159265358979
e = 2.718281828459045
1234567 * 7654321 = 9449772114007
2**31 - 1 = 2147483647
2^32 = 4294967296
factorial of 15 is 1307674368000
the sum of 1000000 and 2500000
sqrt(152399025) = 12345
0.1 + 0.2 = 0.30000000000000004
6.02214076e23
299792458 m/s
the speed of light is 299,792,458 metres per second
Avogadro 602214076000000000000000
primes: 104729, 1299709, 15485863
The number 1234567891 is prime
Is 9876543210 divisible by 3?
fibonacci 832040, 1346269, 2178309
[1000000, 2000000, 3000000]
[10, 20, 30, 40, 50, 60]
x = 12345678
MAX_INT = 2147483647
const LIMIT = 1000000007;
#define MASK 0xFFFFFFFF
int seed = 20231105;
seed=42 lr=0.0003 steps=100000
random.seed(1234567890)
uint64_t h = 14695981039346656037ULL;
a[1024][2048] = 65536
for i in range(1000000): pass
timeout=300000
sleep(86400)
buffer size 16777216
memory 34359738368 bytes
1073741824 is 1 GiB
total: 4811238400 kB
size 1048576 offset 8388608
sector 976773168
The file has 48213377 bytes
du: 183920 ./src
PID 48213 used 102400 KB
ports 22, 80, 443, 8080, 27017, 50051
localhost:8080 and 127.0.0.1:5432
server 192.168.1.1
10.0.0.0/8 and 172.16.0.0/12
ping 8.8.8.8
documentation uses 192.0.2.1 and 203.0.113.5
IP 198.51.100.17 is reserved for documentation
fe80::1 is link-local
2001:db8::1
00:00:00:00:00:00
chmod 0644, umask 0022
Port 3306 on host 10.1.2.3
population of 8,336,817 in 2020
population: 1417173173
India has 1 428 627 663 people
the GDP was 25,462,700,000,000 dollars
revenue 394328 million in 2022
$1,234,567.89
EUR 12.500,00
price 1999.99
the salary is 85000 per year
a budget of 2500000 dollars
shares outstanding 15550061000
AAPL 189.84 +1.23 (0.65%) vol 48213377
open 4783.45 high 4802.40 low 4759.94 close 4796.12
2024-01-15,189.84,190.20,188.30,48213377
BTC at 43250.12 USD
1 EUR = 1.0956 USD
row 1048576 column 16384
line 48213: unexpected token
page 1024 of 2048
chapter 12, section 3.4.5
figure 10.2.1
item 7734921
part number 8839-201-745
model 90210-XL
Model RTX 4090, 24564 MiB
product code 7350053850019
article 4711081500
batch 20240117-0042
lot 48213377
job 9483021
task 1000234
bug 1827364
issue #48213
PR 28391
CVE-2021-44228
RFC 2616 and RFC 7231
ISO 9001:2015
ISO 8601
IEEE 802.11
DIN 5008
1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6
Elo 2830 against 2788
Germany beat Brazil 7-1 in 2014
final score 98-102 after 4 quarters
6-4 3-6 7-6 6-3
42.195 km in 2:01:09
100 m in 9.58 s
1:23:45.678
the marathon had 53627 finishers
batting average .312, 44 HR, 117 RBI
| model | tokens/s | ms |\n|---|---|---|\n| a | 10245 | 12.5 |\n| b | 98213 | 1.25 |
name,count,total\nfoo,1024,1048576\nbar,2048,4194304
id;score;rank\n1;99812;3\n2;88123;7
step    loss     lr\n1000    2.3412   0.0003\n2000    1.9821   0.0003
year    sales    profit\n2021    1204831  20481\n2022    1583920  38102
| Year | Population |\n|---|---|\n| 1990 | 5287621 |\n| 2000 | 6115488 |
city,population,area\nParis,2102650,105.4\nLyon,522250,47.9
{"count": 1048576, "total": 48213377}
{"width": 1920, "height": 1080, "frames": 1283920}
{"user_count": 1283920, "views": 48213377}
"max_tokens": 4096, "seed": 1234567
<width>1920</width><height>1080</height>
INSERT INTO stats (day, hits) VALUES ('2024-01-15', 1283920);
SELECT * FROM orders WHERE total > 1000000 LIMIT 5000
UPDATE t SET counter = 4294967295 WHERE id = 100234
color: #1a2b3c; width: 1024px
rgb(255, 128, 64)
margin: 10px 20px 30px 40px
resolution 3840x2160
1920x1080 at 144 Hz
f/1.8 1/250 ISO 100
Boeing 747-400, flight LH 4321
train ICE 1602 at 17:45
bus 480 leaves at 06:15
Route 66 is 2448 miles long
Mount Everest is 8848.86 m high
the moon is 384400 km away
1 AU = 149597870.7 km
4.543 billion years
DNA sequence of 3200000000 base pairs
5000 mAh battery, 120 Hz
ASIN B08N5WRWNW
barcode 5449000000996
GTIN 00012345600012
lottery numbers 4 8 15 16 23 42
pi to ten digits 3141592653
zip -9 archive 1048576
call stack depth 10000
range 555-0100 to 555-0199
temperature 36.6, pulse 72, pressure 120/80
take 500 mg every 8 hours for 10 days
recipe: 250 g flour, 125 ml milk, 3 eggs
question 12345678 of the test set
sample 100200300
account balance 12,500.00
the account has 10000 followers
a customer bought 12000 units
patients: 10234, of which 4821 recovered
a study of 20183 patients and 10482 controls
the policy of 12.05.2023 applies
insurance premiums rose by 12345 per cent
tax of 12500 on 50000
passport photo 35x45 mm
license: Apache 2.0
id 48213377 not found in table
user_count = 1048576
Device 0: 16160 MiB
token 15496 has logit 12.4821
checksum 3141592653 differs
hash 2166136261
error rate 0.00012345
serial console at 115200 baud
frequency 2400000000 Hz
fax machines were sold 1200000 times
3 x 4 x 5 = 60
0755 0644 0600
0123456789
1234567890
111111111111
12345
00000000
9999999999
""".splitlines()
    if line
)
"""One text a line; `\\n` stands for a line's end."""

FOREIGN = tuple(
    line
    for line in """
Я купил 3 книги за 1250 рублей в 2023 году.
В городе живёт 12655050 человек.
Заказ 4829105736 будет доставлен завтра.
Температура минус 15 градусов, ветер 7 м/с.
Москва — 55.755826, 37.617300
Населението на България е 6447710 души.
Билетът струва 12 лева и 50 стотинки.
Η Αθήνα έχει 3153000 κατοίκους.
Το βιβλίο κοστίζει 19,99 ευρώ.
Γεννήθηκε το 1985 και σπούδασε το 2003.
באתי ב-2019 ושילמתי 350 שקלים.
באוכלוסייה יש 9364000 אנשים.
ההזמנה 48213 מוכנה.
東京の人口は14047594人です。
この本は1,980円です。
2024年1月15日の会議
バージョン3.11.4をインストール
注文番号4829105736の商品
北京有21893095人。
这本书卖59.80元。
版本号是2.31.0，端口8080
2023年的销售额是1283920元
圆周率是3.14159265358979
서울의 인구는 9411440명입니다.
가격은 15000원이고 2개 샀어요.
2024년 1월 15일 10시 30분
주문 48213377 배송 중
İstanbul'un nüfusu 15907951 kişidir.
Bu kitap 120 lira, şu kitap 85 lira.
Sipariş 4829105736 yarın gelecek, teşekkürler.
2023 yılında 1250 öğrenci mezun oldu.
Stockholm har 984748 invånare på 188 km².
Boken kostar 199 kronor och väger 350 gram.
Versionen är 3.11.4 och porten är 8080.
Beställning 48213377 är på väg.
København har 653664 indbyggere på få kvadratkilometer.
Bogen koster 199 kroner og er på 320 sider.
Ordre 48213 blev sendt den 15. januar 2024.
Oslo har 709037 innbyggere på 454 km².
Boka koster 349 kroner på nett.
Helsingissä asuu 664921 ihmistä.
Kirja maksaa 25 euroa ja painaa 400 grammaa.
Tilaus 48213377 on matkalla perille tänään.
Praha má 1309000 obyvatel, říká se.
Kniha stojí 399 korun a má 320 stran, řekl.
Objednávka 48213377 bude doručena příští týden.
Budapesten 1671004 ember él, ezt mondják.
A könyv 4990 forintba kerül, örülök.
Bucureștiul are 1716961 locuitori și țara mai mulți.
Cartea costă 59 lei și are 320 de pagini.
Zagreb ima 767131 stanovnika, kažu ljudi.
Knjiga košta 25 eura i ima 320 stranica.
Jakarta memiliki 10562088 penduduk pada tahun 2020.
Harga buku ini 125000 rupiah saja.
Hà Nội có 8053663 người và 30 quận huyện.
Cuốn sách giá 120000 đồng.
กรุงเทพมีประชากร 5527994 คน
หนังสือราคา 250 บาท
मुंबई की आबादी 12442373 है।
इस किताब की कीमत 499 रुपये है।
عدد سكان القاهرة 10100166 نسمة.
سعر الكتاب 150 جنيها و 25 قرشا.
جمعیت تهران 8693706 نفر است.
Київ має 2952301 мешканців.
Книга коштує 350 гривень і має 320 сторінок.
""".splitlines()
    if line
)
"""Ordinary sentences in languages beyond the eight whose labels are known."""
