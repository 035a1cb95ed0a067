/** Words of generated names: a temper, and someone who carved, cut, engraved, drew maps of stars or wrote programs. */

/** First half of a name. */
export const ADJECTIVES: readonly string[] = split(`
  able agile amber ample apt artful aware balmy bold brave breezy bright brisk calm candid canny
  careful chipper civil clear clever cool cosy crisp curious daring deft dapper eager early
  earnest easy fair famous fine firm fleet fond frank fresh gentle glad golden grand handy happy
  hardy hearty honest humble jolly jovial keen kind lively loyal lucid lucky mellow merry mighty
  modest neat nifty nimble noble patient placid plucky polite prime proud quick quiet rapid
  ready robust rosy sage serene sharp silent sleek smart snug sober solid spry stable steady
  stoic sturdy sunny swift tidy trim trusty upbeat vivid warm wise witty zealous zesty
`);

/** Second half of a name. */
export const SURNAMES: readonly string[] = split(`
  babbage banneker bartholdi bernini bewick blake borglum bose brahe brancusi burnell callot
  canova cannon carpeaux cellini cerf chillida church claudel clarke codd conway dijkstra
  donatello dore durer easley eckert engelbart euclid euler franklin frink gabo galileo gauss
  ghiberti gibbons gill goya hamilton hepworth herschel hoare hogarth hokusai hopper huygens
  hypatia iverson jackson johnson kay kepler kernighan kilburn knuth kollwitz lamarr lamport
  leavitt lewis liskov lovelace mantegna mccarthy mcilroy mercator michelson milner mitchell
  moore myron naur newell noether noguchi pascal perlis perlman phidias piranesi pisano
  praxiteles ptolemy ray riemenschneider ritchie rodin rubin sammet schongauer scopas shannon
  simon somerville spence stoss tarjan tharp thompson turing unwin vaughan verrocchio wilkes
  wirth zuse
`);

function split(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
