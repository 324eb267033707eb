"""Beginnings of stories that determine how they continue.

Each stops in the middle of a sentence whose next words follow from what came before. The line above
it has what determines them, words of a right continuation, and words of the nearest wrong ones.
"""

from __future__ import annotations

from typing import NamedTuple


class Prompt(NamedTuple):
    """The beginning of a story.

    Attributes:
        kind: what determines its continuation.
        text: ends without a space.
        answers: in lower case; the first of all these words in the continuation decides.
        wrong: likewise.
    """

    kind: str
    text: str
    answers: frozenset[str]
    wrong: frozenset[str]


_TEXT = """
who: tom he / lily she
Tom and Lily were in the kitchen. Tom dropped a plate, and it broke. Lily was in the other room
when it happened. Mom came in and saw the pieces on the floor. "I am sorry, Mom. I broke the
plate," said

who: ben he / snow cat
Once upon a time, a boy named Ben had a cat called Snow. Snow loved to sleep in the sun, and Ben
loved to play ball. One day, Ben could not find his cat. He looked all day long. At last he saw
a white tail under the bed. "There you are,"

who: max brother / anna sister she
Anna had a big brother called Max. Max was tall and strong, and Anna was very small. One day,
Anna's kite flew up into a tree. She could not reach it. But her brother could. So up into the
tree climbed

who: duck bird / frog fox
A duck and a frog lived at the same pond. The duck could fly, but the frog could not. The frog
could jump, and he was very good at it. One morning, a hungry fox came to the pond. The frog
jumped into the water, and up into the sky flew the

who: sue she / amy
Sue was sick, so she had to stay in bed. Her friend Amy came with a bowl of soup. "Eat this, and
you will be well soon," said Amy. The soup was warm and good. "Thank you for the soup," said

who: mia her sister / jack him
Grandpa told a story about a dragon. Jack listened with big eyes, but his little sister Mia was
so tired that she could not stay awake. When the story was over, Grandpa smiled and carried her
to bed. He did not want to wake up

who: dot little / rex big
Sam had two dogs. The big dog was called Rex, and the little dog was called Dot. Rex was afraid
of water, but Dot loved it. When Sam threw a stick into the lake, it was brought back to him by

who: cook / queen
The king had lost his ring. The queen looked for it in the hall, and the cook looked for it in
the kitchen. The ring was in the soup! The king was so glad that he gave a bag of gold to the

where: box blue / door drawer closet bag window
Lucy hid her doll in the big blue box so that her brother would not find it. Then she went out
to play with her friends. When she came home, she wanted her doll. She went to her room and
opened the

where: water lake river sea / box car tree house sky
Tim and his dad wanted to catch fish. They took a rod, a net, and some bread to eat. They sat in
a little boat all day, and the sun was warm. When Tim at last had a fish, he pulled it out of
the

where: nest tree oak home / worm car cave
A little bird had built a nest at the top of the old oak. Every day, she looked for worms in the
grass. One evening, it began to rain very hard. The bird wanted to be dry and safe, so she flew
back to her

where: chair / bed table tree sofa couch
It was so cold outside that Ella's hands hurt. She had left her warm gloves under the chair in
the hall. She ran back into the house to get them. Soon she found them where she had left them:
under the

where: zoo cage / forest jungle school house
Leo was a lion who lived in the zoo. One night, the door of his cage was open, and he walked
through the whole town. In the morning he was tired and wanted to go home. So the big lion
walked all the way back to the

where: green / red blue
Nora put the apples into the red basket and the eggs into the green basket. She carried both to
the market. A man wanted to buy two eggs. "They are in this basket," said Nora, and gave him the
one that was

where: sea water wave waves ocean tide / wind rain dog sun
The family went to the beach. Tess built a castle of sand close to the sea. Then she went to eat
with Mom and Dad. When she came back, the castle was gone. It had been washed away by the

what: paper / crayon crayons cake milk
Jack wanted to draw a picture of the sun. He had a red crayon and a yellow crayon, but he could
not find any paper. He looked in every drawer. Then his mom helped him. "Here you are," she
said, and she gave him some

what: umbrella / apple egg elephant ice
It was raining, and Lily had no umbrella. Her hair was wet and her shoes were wet. Then she met
her friend Tom. He was dry, because he was holding something big over his head. It was an

what: honey / milk water sand fish
The bear loved honey more than anything else. One day, he found a pot with a picture of a bee on
it. He opened the pot, put in his paw, and licked it. It was full of sweet

what: water milk juice lemonade / bread cake sand soup
Mia was very thirsty after her long walk. There was bread on the table, but she did not want to
eat. She took a glass from the shelf and filled it with cold

what: drum / ball book car doll train
Ben's birthday was on Sunday. He wished for a drum and nothing else. His sister gave him a box
with a bow. The box was round, and when he tapped on it, it went boom, boom. Ben opened it and
shouted, "It is a

what: flashlight torch light lamp lantern candle / apple doll spoon book
The lamp in the tent went out, and it was very dark. Kim was not afraid. Her dad had given her
something for the night that makes light. She put her hand into her bag and took out her

what: tooth / apple shoe hat ball
The tooth had been loose for days. Zoe moved it with her tongue at breakfast. She bit into an
apple, and then there was something small and hard in her hand. "Mom, look, I have lost my

what: knife / ball bread spoon baby
Dad wanted to cut the bread for breakfast. He looked for the knife, but it was not there. The
baby was playing under the table. "Oh no," said Dad. "Please do not touch that. Give me the

why: cakes cake / apples books cookies
Max ate three big cakes at the party, although his mom had told him not to. In the evening, he
lay in bed and cried. "My tummy hurts," he said. "That is because you ate too many

why: scared afraid frightened / happy hungry proud brave
The little goat did not want to go over the bridge. It was old, and the wind made it swing.
"Come with me," said the big goat. But the little goat shook his head, because he was very

why: sad disappointed upset bad / happy proud excited glad
Emma had looked forward to the picnic all week. But on Saturday morning, dark clouds came, and
it rained and rained. They had to stay at home. Emma sat at the window and looked out. She felt

why: hungry / tired thirsty full sleepy
Pip the mouse had not eaten since yesterday. He smelled cheese in the kitchen. The cat was
asleep. Slowly, slowly, he crept to the plate. He ate it all up, because he was so

why: proud happy excited glad / sad angry scared lost
Lola had worked on her puzzle for five days. She had put in one piece after another, all by
herself. Today she put in the very last piece. She called the whole family to look at it. Lola
was very

why: late / early fast first tall
Rosa the rabbit ran and ran. She had to be at school before the bell. But she had stopped to
pick flowers, and then she had stopped to talk to a snail. When she came to school, the teacher
said, "Rosa, you are

why: hot / cold soft old nice
Nick touched the stove, although Mom had said that it was hot. He pulled his hand back and cried
out loud. Mom held his fingers under cold water. "Now you know why you must not touch the stove.
It is very

when: eat / cook wash cut sleep
First, Anna washed the carrots. Then she cut them into small pieces. After that, she put them
into the pot with water, and the soup cooked for a long time. Now dinner was ready. Anna sat
down at the table and began to

when: night / morning day afternoon boy
It was late, and the moon was in the sky. Tom had brushed his teeth and put on his pajamas. Mom
had read him a story about a whale. She turned off the light and said, "Good

when: morning / night evening bye
The sun came up, and the rooster called. Billy opened his eyes. He stretched his arms and jumped
out of bed. He ran down to the kitchen, where his dad was making pancakes. "Good

when: flower sunflower / seed leaf snowman fish
In spring, Kate put a tiny seed into the ground. She gave it water every day. Soon there was a
little green leaf, and then there were two. The plant grew and grew. In summer it was as tall as
Kate, and at its top there was a big yellow

when: butterfly moth / bird bee caterpillar
The caterpillar ate leaves all day long. When it was big and fat, it made itself a little house
of silk and slept in it for many days. Then the house opened. Out came two beautiful wings. The
caterpillar had become a

when: snowman / cake castle snowball rabbit
The snow had fallen all night. Finn and Amy rolled three big balls and put them on top of each
other. They gave it a carrot for a nose and a hat for its head. They had made a

pronoun: she ruby her / he him his
Once there was a girl named Ruby who wanted to learn to swim. Every day, her dad took her to the
pool. At first, Ruby was afraid of the deep water. But one day, she let go of the edge, and

pronoun: him oscar / her she them
Once there was a boy named Oscar who had a red bike. He rode it to school and back. One day, a
wheel came off, and Oscar fell into the grass. A kind lady stopped and helped

pronoun: you / him it them
Grandma lives in a small house by the sea. Every summer, Paul visits her. They look for shells,
and they eat ice cream on the pier. When the summer is over, Grandma always cries a little. Paul
waves from the train and calls, "I will miss

pronoun: us you them that this / him her me
Two kittens, Milo and Coco, found a ball of yarn. They rolled it through the whole house, over
the chairs and under the tables. Soon the yarn was everywhere, and the kittens could not move.
"Look at

pronoun: alice she / henry he
Alice had lost her hat, and Henry had lost his shoe. They went back to the park together. By the
swing, they saw something with a long red ribbon. It was not a shoe. "That is mine!" cried

pronoun: him duke the / her she them
The farmer has an old horse called Duke. Duke pulls the cart to the mill every morning. The
farmer is always good to his horse. In the evening, he brushes Duke and gives

promise: zoo / park beach store school bed
"If you clean your room, we will go to the zoo," said Mom. Ivy put her books on the shelf and
her toys into the box. She made her bed, too. Mom looked into the room and smiled. "Well done!
Now we will go to the

promise: sheep / dog cat cows horse
"Do not open the gate," Dad had said, "or the sheep will run away." But George wanted to see the
road, and he opened the gate. He heard many feet behind him. When he turned around, he saw that
the field was empty. He had let out the

promise: brother / sister mother dog own
The wizard gave Clara a magic stone. "It can grant you one wish," he said, "but only if you wish
for somebody else." Clara thought of her brother, who wanted to be able to walk again. She held
the stone and wished for her

promise: ten / eleven seven one
"I will count to ten, and you must hide," said Noah. Stella ran behind the big tree and made
herself as small as she could. "Eight, nine,

promise: dog puppy / cat kitten horse bird
Peter wanted a dog, but Dad wanted a cat. They talked about it for a whole week. In the end,
they did what Peter wanted. On Friday they went to the farm, and they came home with a little

promise: banana / hello yes two four
The parrot could say only one word, and that word was "banana". The children asked it for its
name. They asked it how old it was. They asked it what two and two are. And every time, the
parrot answered, "
"""


def _parsed(block: str) -> Prompt:
    head, text = block.split("\n", 1)
    kind, words = head.split(": ")
    answers, wrong = words.split(" / ")
    return Prompt(
        kind, " ".join(text.split()), frozenset(answers.split()), frozenset(wrong.split())
    )


PROMPTS: tuple[Prompt, ...] = tuple(_parsed(block) for block in _TEXT.strip("\n").split("\n\n"))
