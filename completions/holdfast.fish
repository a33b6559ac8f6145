# SPDX-License-Identifier: ISC
#
# Completion for fish. What a tool takes is read from its --help; holdfast.bash describes how.

# A line for each option of a tool: letter, long name, what it takes as the help has it, text.
function __holdfast_options -a tool
    set -l names '^  (?=-|    --)(?:-([A-Za-z0-9])(?:, )?| *)(?:--([a-z-]+))?'
    $tool --help 2>/dev/null |
        string replace -rf $names'( [^ ]+|\[=[^ ]+\])?(?: {2,}(.*))?$' '$1'\t'$2'\t'$3'\t'$4'
end

# The words after the tool's name and "[options]", a usage a line.
function __holdfast_usages -a tool
    $tool --help | string replace -rf '^(?:Usage:|      ) \S+ (?:\[options\] ?)?' ''
end

# The words that can be the first operand, and say what is done.
function __holdfast_verbs -a tool
    __holdfast_usages $tool | string match -rg '^([a-z]+(?:\|[a-z]+)*)(?: |$)' | string split '|'
end

# The operands of the usage that has the verb (or "", if there is none yet), and asks for most of
# the options $argv, and for no others.
function __holdfast_operands -a tool verb
    set -l takers (__holdfast_options $tool | string match -r '.*\t +.*')
    set -l best -1
    set -l operands
    for usage in (__holdfast_usages $tool)
        set -l fit 0
        set -l kinds
        set -l skip no
        for word in (string split -n ' ' -- $usage)
            if test $skip = yes
                set skip no
            else if string match -q -- '-*' $word
                if not contains -- $word $argv
                    set fit -1
                    break
                end
                set fit (math $fit + 100)
                string match -qr "(^|\t)"(string trim -l -c - -- $word)"\t" -- $takers
                and set skip yes
            else if string match -qr '^[a-z]+(\|[a-z]+)*$' $word
                if test -z "$verb"
                    set -a kinds (string join '|' (__holdfast_verbs $tool))'|'
                else if not contains -- $verb (string split '|' $word)
                    set fit -1
                    break
                end
                set fit (math $fit + 1)
            else if string match -qr '^\[[A-Z]+\]$' $word
                set -a kinds (string trim -c '[]' $word)
            else if not string match -q '[*' $word
                set fit (math $fit + 1)
                set -a kinds (string replace -r '\W+$' '' $word)
            end
        end
        if test $fit -gt $best
            set best $fit
            set operands $kinds
        end
    end
    printf '%s\n' $operands
end

# The kind of word at the cursor: "option", or the kind of operand; after a COMMAND, its words.
function __holdfast_place
    set -l tokens (commandline -opc)
    set -l specs
    __holdfast_options $tokens[1] | while read -d \t -l letter long takes text
        set -l spec (string trim -c / -- $letter/$long)
        switch $takes
            case ' *'
                set spec "$spec=+"
            case '[*'
                set spec "$spec=?"
        end
        set -a specs $spec
    end
    # aliases that --help leaves out
    string match -q -- '*wait=*' $specs
    or set -a specs 'wait=+'
    set -a specs 'holder=+' 'discard=+' assume-alone nb nonblocking
    if not argparse -s $specs -- $tokens[2..] 2>/dev/null
        echo option # that lacks what it takes
        return
    end
    set -l verb ''
    test (count $argv) -gt 0
    and contains -- $argv[1] (__holdfast_verbs $tokens[1])
    and set verb $argv[1]
    and set -e argv[1]
    if test -n "$verb"
        and not argparse -s $specs -- $argv 2>/dev/null
        echo option
        return
    end
    test (count $argv) = 0
    and not contains -- -- $tokens
    and echo option

    set -l given
    for name in (set -nl | string replace -rf '^_flag_' '' | string replace -a _ -)
        test (string length $name) = 1
        and set -a given -$name
        or set -a given --$name
    end
    for kind in (__holdfast_operands $tokens[1] "$verb" $given)
        if test $kind = COMMAND
            test "$argv[1]" = --
            and set -e argv[1]
            test "$argv[1]" = -c
            and return
            printf '%s\n' COMMAND $argv
            return
        end
        if test (count $argv) = 0
            echo $kind
            return
        end
        set -e argv[1]
    end
end

function __holdfast_at
    contains -- $argv[1] (__holdfast_place)[1..2]
end

# The words that an operand like "this|that" can be.
function __holdfast_choices
    __holdfast_place | string match '*|*' | string split '|'
end

function __holdfast_command
    set -l place (__holdfast_place)
    set -l at (contains -i -- COMMAND $place)
    set -l words (string escape -- $place[(math $at + 1)..])
    if test (count $words) = 0
        and string match -q -- '-*' (commandline -ct)
        return # an option of the tool
    end
    complete -C "$(string join ' ' -- $words (commandline -ct))"
end

function __holdfast_define -a tool
    __holdfast_options $tool | while read -d \t -l letter long takes text
        set -l names -d $text
        test -n "$letter"
        and set -a names -s $letter
        test -n "$long"
        and set -a names -l $long
        switch (string trim -- $takes)
            case '' '[*'
            case '*|*'
                set -l choices (string split '|' -- (string trim -- $takes))
                set -a names -xa (string match -rv '[A-Z]' -- $choices | string join ' ')
            case FILE PATH LOCK SRC TARGET DB PATH=SRC
                set -a names -rF
            case DIR
                set -a names -xa '(__fish_complete_directories)'
            case COMMAND
                set -a names -xa '(__fish_complete_command)'
            case '*'
                set -a names -x
        end
        complete -c $tool -n '__holdfast_at option' $names
    end
    complete -c $tool -f
    for kind in FILE PATH LOCK SRC TARGET DB
        complete -c $tool -n "__holdfast_at $kind" -F
    end
    complete -c $tool -n '__holdfast_at DIR' -xa '(__fish_complete_directories)'
    complete -c $tool -xa '(__holdfast_choices)'
    complete -c $tool -n '__holdfast_at COMMAND' -xa '(__holdfast_command)'
end

for tool in atomic-write atomic-append atomic-update lock-run lock-retry lock-break \
    lock-acquire lock-renew lock-release lock-status holdfast-hooks \
    sqlite-run sqlite-backup sqlite-check sqlite-once sqlite-lease \
    sqlite-queue atomic-record
    if type -q $tool
        __holdfast_define $tool
    end
end
